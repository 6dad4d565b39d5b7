import type { Broker } from "../broker/broker.ts";
import { storeDeadLetter } from "../broker/dead_letter.ts";
import { attemptOf, taskIdOf } from "../format/delivery.ts";
import { publishEvent } from "../broker/events.ts";
import { InvalidNameError, NO_VO } from "../format/names.ts";
import { recordEnd, type SweepLedger } from "./record_end.ts";
import { deleteStored, type Stored } from "../broker/stored_messages.ts";

/** A message that no worker is to run. */
export interface Unwanted {
  readonly stream: string;
  readonly stored: Stored;
  readonly end: "dead" | "dropped";
  readonly reason: string;
  /** As the message's subject has them, right or wrong. */
  readonly task: string;
  /** `_` where the subject has none. */
  readonly vo: string;
  /** Where it is not one of the usual headers. */
  readonly taskId?: string;
  /** Given where a worker may have the message in hand: what stands in it then counts. */
  readonly ledger?: SweepLedger | undefined;
}

function attemptFrom(stored: Stored): number {
  try {
    return attemptOf(stored.header);
  } catch (error) {
    if (error instanceof InvalidNameError) return 1; // a senseless header is the lesser of its faults
    throw error;
  }
}

/** The task name and VO as the subject `<prefix>.<TaskName>.<vo>` has them, unchecked; `_` for what it lacks. */
export function rawAddress(subject: string): { readonly task: string; readonly vo: string } {
  const [, task = "", ...vo] = subject.split(".");
  return { task: task || NO_VO, vo: vo.join(".") || NO_VO };
}

/** The task of a message, by what its headers and its place say. */
export interface Identified {
  readonly taskId: string;
  readonly attempt: number;
}

function identify({ stream, stored, taskId }: Unwanted): Identified {
  const storedAtNs = Temporal.Instant.from(stored.timestamp).epochNanoseconds.toString();
  return {
    taskId: taskId ?? taskIdOf(stored.header, { stream, streamSequence: stored.seq, storedAtNs }),
    attempt: attemptFrom(stored),
  };
}

async function storeLetter(
  broker: Broker,
  unwanted: Unwanted,
  letter: Identified & { reason: string; hasRow: boolean },
) {
  const { stream, stored, task, vo } = unwanted;
  const { subject, header: headers, data } = stored;
  const { hasRow, ...rest } = letter;
  // With a row, the same letter as a worker's that finds the row when it commits.
  const place = hasRow ? undefined : { stream, sequence: stored.seq };
  await storeDeadLetter(broker, { ...rest, task, vo, subject, headers, data, stored: place });
}

/**
 * Ends a message for good: row in the ledger where one is given, dead letter stored, event told, message deleted, in this order.
 *
 * Throws where the broker is silent, and `LedgerSilentError`.
 */
export async function putAway(broker: Broker, worker: string, unwanted: Unwanted): Promise<void> {
  const { stream, stored, task, vo, ledger } = unwanted;
  const id = identify(unwanted);
  const stands = ledger === undefined ? undefined : await recordEnd(ledger, unwanted, id);
  const { outcome, attempt, reason } = stands ?? { ...id, outcome: unwanted.end, reason: unwanted.reason };
  const { taskId } = id;
  if (outcome === "dead") {
    await storeLetter(broker, unwanted, { taskId, attempt, reason, hasRow: stands !== undefined });
  }
  // Where a worker was first, nobody is told that its task was put away.
  const told =
    outcome === unwanted.end
      ? { step: outcome, attempt, reason }
      : { step: "duplicate" as const, attempt: id.attempt, reason: `attempt ${attempt} ended ${outcome}` };
  publishEvent(broker, worker, { ...told, task, vo, taskId });
  await deleteStored(broker, stream, stored.seq);
}
