// Tested by tests/src/worker/cancel_test.ts
import type { KnownCancellation } from "../cancel/cancellations.ts";
import { describeCancellation } from "../cancel/cancellation.ts";
import { findInLater, idOfLaterMessage } from "../cancel/find_message.ts";
import type { Stored } from "../broker/stored_messages.ts";
import { readChildren, readSpec } from "../group/group_state.ts";
import { REST } from "../lead/charges.ts";
import { LATER } from "../streams/streams.ts";
import { putAway } from "./put_away.ts";
import { LedgerSilentError } from "./record_end.ts";
import type { SweepContext } from "./sweep_context.ts";
import { rawAddress } from "./unwanted.ts";

/** Puts cancelled tasks that wait in LATER away before their time. Those in TASKS are cancelled by the workers that pull them. */
export interface CancelledSweep {
  /** Looks for those that were cancelled since the last pass. Asks nothing where there is none. Throws where the broker is silent. */
  pass(): Promise<void>;
}

async function putOne(context: SweepContext, stored: Stored): Promise<void> {
  const { broker, worker, tasks, ledger, cancellations, report } = context;
  const taskId = idOfLaterMessage(stored);
  const cancellation = cancellations?.find(taskId, stored.header);
  if (cancellation === undefined) return;
  const { task, vo } = rawAddress(stored.subject.slice(0, stored.subject.lastIndexOf(".")));
  const effect = tasks.find(({ name }) => name === task)?.effect ?? "once";
  if (effect === "once" && ledger === undefined) {
    const text = `Cancelled ${task} of ${vo} stays in LATER until its time: a scheduler with a database could put it away`;
    return report.note(`cancelled ${task}`, text, { taskId });
  }
  const custody = effect === "once" ? { ledger } : {};
  const reason = describeCancellation(cancellation);
  const message = { stream: LATER, stored, end: "cancelled" as const, reason, task, vo, taskId, ...custody };
  const outcome = await putAway(broker, worker, message);
  if (outcome !== "retry") await cancellations?.noteEnded(taskId, outcome);
}

/** The ids of the tasks that were cancelled: their own, and those of the children of cancelled groups. */
async function idsOf({ broker }: SweepContext, news: readonly KnownCancellation[]): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const { cancellation } of news) {
    const spec = cancellation.of === "group" ? await readSpec(broker, cancellation.id) : undefined;
    if (cancellation.of === "task") ids.add(cancellation.id);
    else if (spec !== undefined) for (const { taskId } of await readChildren(broker, spec)) ids.add(taskId);
  }
  return ids;
}

/** Begins with all that are in force, as a leader does that has just begun. */
export function createCancelledSweep(context: SweepContext): CancelledSweep {
  let swept = new Map<string, number>();
  return {
    async pass() {
      const { broker, cancellations, charges } = context;
      if (cancellations === undefined || !charges.led.has(REST)) return;
      const all = cancellations.list();
      const isNew = ({ sequence, cancellation }: KnownCancellation) => swept.get(cancellation.id) !== sequence;
      const news = all.filter((each) => isNew(each) && each.cancellation.ended === undefined);
      if (news.length > 0) {
        const ids = await idsOf(context, news);
        for (const stored of await findInLater(broker, (id) => ids.has(id))) {
          try {
            await putOne(context, stored);
          } catch (cause) {
            if (!(cause instanceof LedgerSilentError)) throw cause;
            const text = "Cannot put a cancelled task away: the database does not answer; it stays until it does";
            context.report.alarm("cancelled ledger", text, { cause });
            return; // the next pass looks for the same again
          }
        }
      }
      swept = new Map(all.map(({ sequence, cancellation }) => [cancellation.id, sequence]));
    },
  };
}
