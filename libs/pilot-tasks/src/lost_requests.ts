import type { ChoreContext } from "@muster/app";
import { dropRequests, listOldRequests } from "@muster/logic";
import { findLostTasks } from "@muster/tasks/operate";
import { MyPilotTask } from "./my_pilot_task.ts";

/** Requests that are checked at once. For each page, all messages that wait for its VOs may be read. */
const REQUESTS_AT_ONCE = 10_000;

/**
 * Forgets pilots that were asked for ten minutes ago and whose message is in no stream any more, as after the loss of a
 * stream. Without this their slots would count as taken for ever.
 *
 * Each message is looked for by its id, so other messages that wait for that VO do not matter.
 */
export async function forgetLostRequests(context: ChoreContext, signal: AbortSignal): Promise<void> {
  const { broker, database, log } = context;
  // A child would be taken for lost if its parent's worker died before publishing it.
  await context.publishForgottenChildren();
  for (let after = ""; !signal.aborted; ) {
    const page = await database.transaction((transaction) =>
      listOldRequests(transaction, { after, limit: REQUESTS_AT_ONCE }),
    );
    const requested = page.map((request) => ({ ...request, task: MyPilotTask.name }));
    const lost = (await findLostTasks(broker, requested)).map(({ taskId }) => taskId);
    const dropped = await database.transaction((transaction) => dropRequests(transaction, lost));
    if (dropped > 0) log.warn({ dropped }, "forgot pilots that were asked for and whose messages are lost");
    const last = page.at(-1);
    if (last === undefined || page.length < REQUESTS_AT_ONCE) return;
    after = last.taskId;
  }
}
