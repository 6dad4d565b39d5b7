import { temporal } from "../calendar/temporal.ts";
import type { Ledger } from "../definition/ledger.ts";
import { attemptOf, taskIdOf } from "../format/delivery.ts";
import { InvalidNameError, NO_VO } from "../format/names.ts";
import type { Stored } from "../broker/stored_messages.ts";

/** What the scheduler needs of the database: the same ledger that the workers have. */
export type SweepLedger = Pick<Ledger<never>, "record">;

/** A message that no worker may run. */
export interface Unwanted {
  readonly stream: string;
  readonly stored: Stored;
  readonly end: "dead" | "dropped" | "cancelled";
  readonly reason: string;
  /** Task and VO as the message's subject has them, right or wrong. */
  readonly task: string;
  /** `_` where the subject has none. */
  readonly vo: string;
  /** The task's id, where it is not in one of the usual headers. */
  readonly taskId?: string;
  /** Given where a worker may have the message in hand. What the ledger holds then counts. */
  readonly ledger?: SweepLedger | undefined;
}

function attemptFrom(stored: Stored): number {
  try {
    return attemptOf(stored.header);
  } catch (error) {
    if (error instanceof InvalidNameError) return 1; // the wrong header is the lesser of its faults
    throw error;
  }
}

/** The task name and VO in the subject `<prefix>.<TaskName>.<vo>`, unchecked; `_` for a missing one. */
export function rawAddress(subject: string): { readonly task: string; readonly vo: string } {
  const [, task = "", ...vo] = subject.split(".");
  return { task: task || NO_VO, vo: vo.join(".") || NO_VO };
}

/** The task of a message, by its headers and its place. */
export interface Identified {
  readonly taskId: string;
  readonly attempt: number;
}

/** Names the task of a message as a worker would. */
export function identify({ stream, stored, taskId }: Unwanted): Identified {
  const storedAtNs = temporal.Instant.from(stored.timestamp).epochNanoseconds.toString();
  return {
    taskId: taskId ?? taskIdOf(stored.header, { stream, streamSequence: stored.seq, storedAtNs }),
    attempt: attemptFrom(stored),
  };
}
