import type { Broker } from "../broker/broker.ts";
import type { LedgerOutcome } from "../definition/ledger.ts";
import { storeDeadLetter } from "../broker/dead_letter.ts";
import { publishEvent } from "../broker/events.ts";
import { type End, recordEnd } from "./record_end.ts";
import { headerOf, oneLine, TASK_PARENT } from "../format/headers.ts";
import { recordChildEnd } from "../group/child_end.ts";
import { createGroups, type Groups } from "../group/groups.ts";
import { tellGroup } from "../group/tell_group.ts";
import { keepResult } from "../result/keep_result.ts";
import { keepResultIfGood } from "../result/kept_result.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import { identify, type Identified, type Unwanted } from "./unwanted.ts";

/** Keeps how the task ended, where its message asks for that. */
async function keepEnd(
  broker: Broker,
  { stored, task, vo }: Unwanted,
  end: End & { readonly taskId: string },
): Promise<void> {
  const keepMs = keepResultIfGood(stored.header);
  // What is done has its result kept by its worker, who knows it.
  if (keepMs === undefined || end.outcome === "retry" || end.outcome === "done") return;
  const { taskId, outcome, attempt, reason } = end;
  await keepResult(broker, {
    ...{ taskId, keepMs, task, vo, attempt, outcome, result: null, error: oneLine(reason), children: 0 },
    ...{ endedAt: new Date().toISOString(), parent: headerOf(stored.header, TASK_PARENT) || null },
  });
}

/** Records a child's end. The look at open groups counts it: it would take too long to count after each of thousands. */
function recordOnly(broker: Broker): Pick<Groups, "childEnded" | "callbackEnded"> {
  const { callbackEnded } = createGroups(broker);
  return { callbackEnded, childEnded: (place, end) => recordChildEnd(broker, place, end) };
}

async function storeLetter(
  broker: Broker,
  unwanted: Unwanted,
  letter: Identified & { reason: string; hasRow: boolean },
) {
  const { stream, stored, task, vo } = unwanted;
  const { subject, header: headers, data } = stored;
  const { hasRow, ...rest } = letter;
  // With a row, it is the same letter that a worker writes which finds the row at its commit.
  const place = hasRow ? undefined : { stream, sequence: stored.seq };
  await storeDeadLetter(broker, { ...rest, task, vo, subject, headers, data, stored: place });
}

/**
 * Ends a message for good, in this order: writes the ledger's row where a ledger is given, stores the dead letter, sends the event, deletes
 * the message.
 *
 * Returns how the task has ended. Throws where the broker is silent, and `LedgerSilentError`.
 */
export async function putAway(broker: Broker, worker: string, unwanted: Unwanted): Promise<LedgerOutcome> {
  const { stream, stored, task, vo, ledger } = unwanted;
  const id = identify(unwanted);
  const stands = ledger === undefined ? undefined : await recordEnd(ledger, unwanted, id);
  const { outcome, attempt, reason } = stands ?? { ...id, outcome: unwanted.end, reason: unwanted.reason };
  const { taskId } = id;
  if (outcome === "dead") {
    await storeLetter(broker, unwanted, { taskId, attempt, reason, hasRow: stands !== undefined });
  }
  await keepEnd(broker, unwanted, { taskId, outcome, attempt, reason });
  await tellGroup(recordOnly(broker), stored.header, {
    taskId,
    outcome,
    result: stands?.result ?? null,
    errors: [reason],
  });
  // Where a worker was first, its outcome counts, and no event says that the task was put away.
  const told =
    outcome === unwanted.end
      ? { step: outcome, attempt, reason }
      : { step: "duplicate" as const, attempt: id.attempt, reason: `attempt ${attempt} ended ${outcome}` };
  publishEvent(broker, worker, { ...told, task, vo, taskId });
  await deleteStored(broker, stream, stored.seq);
  return outcome;
}
