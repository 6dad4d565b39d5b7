import type { Broker } from "../wire/broker.ts";
import { storeDeadLetter } from "../wire/dead_letter.ts";
import { attemptOf, taskIdOf } from "../wire/delivery.ts";
import { publishEvent } from "../wire/events.ts";
import { InvalidNameError, NO_VO } from "../wire/names.ts";
import { deleteStored, type Stored } from "./stored_messages.ts";

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

/** Ends a message for good: dead letter stored, event told, message deleted, in this order. Throws where the broker is silent. */
export async function putAway(broker: Broker, worker: string, unwanted: Unwanted): Promise<void> {
  const { stream, stored, end, reason, task, vo } = unwanted;
  const storedAtNs = Temporal.Instant.from(stored.timestamp).epochNanoseconds.toString();
  const taskId = unwanted.taskId ?? taskIdOf(stored.header, { stream, streamSequence: stored.seq, storedAtNs });
  const attempt = attemptFrom(stored);
  if (end === "dead") {
    const { subject, header: headers, data } = stored;
    const place = { stream, sequence: stored.seq };
    await storeDeadLetter(broker, { task, vo, taskId, attempt, reason, subject, headers, data, stored: place });
  }
  publishEvent(broker, worker, { step: end, task, vo, taskId, attempt, reason });
  await deleteStored(broker, stream, stored.seq);
}
