import { type Database, listUnpublished, pruneLedger } from "@muster/ledger";
import { dropRequests, listOldRequests } from "@muster/logic";
import { MyPilotTask } from "@muster/pilot-tasks";
import type { Log } from "@muster/service";
import { type Broker, type Chore, findLostTasks, publishSpawned } from "@muster/tasks";
import { republishRetries } from "./lost_retries.ts";

const MINUTE_MS = 60_000;
/** A lost retry is noticed within a minute, also where it was due a moment ago. */
const RETRIES_MS = 20_000;
/** Rows that one statement deletes: small enough that no task waits for its locks. */
const PRUNED_AT_ONCE = 10_000;
/** Rows whose children are published in one go. */
const REPUBLISHED_AT_ONCE = 100;

export interface ChoreContext {
  readonly broker: Broker;
  readonly database: Database;
  readonly log: Pick<Log, "info" | "warn">;
}

/**
 * Publishes children that the ledger lists and nobody has marked as published for five minutes, as when a worker died after its
 * commit and its message was lost with a stream. The same ids go out again, so those that did arrive have no second effect.
 */
export async function republishChildren({ broker, database, log }: ChoreContext): Promise<void> {
  for (;;) {
    const rows = await database.transaction((transaction) => listUnpublished(transaction, REPUBLISHED_AT_ONCE));
    for (const { taskId, task, vo, spawned } of rows) {
      await publishSpawned(broker, taskId, spawned);
      await database.ledger.markPublished(taskId);
      log.warn({ task, vo, taskId, spawned: spawned.length }, "published the children of a task that had not been");
    }
    if (rows.length < REPUBLISHED_AT_ONCE) return;
  }
}

/** Requests that are looked at in one go: for each page all that waits for its VOs may be read. */
const REQUESTS_AT_ONCE = 10_000;

/**
 * Forgets pilots that were asked for ten minutes ago and whose message no stream holds any more, as after the loss of a stream: their
 * slots would count as taken for ever. Each message is looked for by its id, so it does not matter what else waits for that VO.
 */
export async function forgetLostRequests(context: ChoreContext, signal: AbortSignal): Promise<void> {
  const { broker, database, log } = context;
  // A child whose parent's worker died before it was published would be taken for lost.
  await republishChildren(context);
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

/** Drops the ledger's rows of tasks that were settled thirty days ago. */
export async function pruneOldOutcomes({ database, log }: ChoreContext, signal: AbortSignal): Promise<void> {
  for (let total = 0; !signal.aborted; ) {
    const dropped = await database.transaction((transaction) => pruneLedger(transaction, PRUNED_AT_ONCE));
    total += dropped;
    if (dropped === PRUNED_AT_ONCE) continue;
    if (total > 0) log.info({ dropped: total }, "dropped old rows of the ledger");
    return;
  }
}

/** What the leading scheduler looks after in the database. */
export function createChores(context: ChoreContext): readonly Chore[] {
  const toldRetries = new Set<string>();
  return [
    { name: "publishing forgotten children", everyMs: MINUTE_MS, run: () => republishChildren(context) },
    {
      name: "publishing lost retries",
      everyMs: RETRIES_MS,
      run: (signal) => republishRetries(context, signal, toldRetries),
    },
    { name: "forgetting lost requests", everyMs: MINUTE_MS, run: (signal) => forgetLostRequests(context, signal) },
    { name: "pruning the ledger", everyMs: 60 * MINUTE_MS, run: (signal) => pruneOldOutcomes(context, signal) },
  ];
}
