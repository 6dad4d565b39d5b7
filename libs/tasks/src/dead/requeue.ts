import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { MSG_ID, TASK_ATTEMPT, TASK_ID, TASK_KEEP_RESULT } from "../format/headers.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { forgetResult } from "../result/keep_result.ts";
import { DEAD } from "../streams/streams.ts";
import { parseTaskSubject, taskSubject } from "../format/subject.ts";
import { type DeadFilter, deadLetters, type StoredDeadLetter } from "./dead_letters.ts";

/** What became of a requeue. */
export interface Requeued {
  /** Task ids that wait again. */
  readonly requeued: readonly string[];
  /** Tasks that cannot wait again: their subject is not a task's. Their letters stay. */
  readonly refused: readonly { readonly taskId: string; readonly reason: string }[];
}

/** Greatest number of dead letters that are requeued at the same time. */
const IN_FLIGHT = 100;

/**
 * Puts one dead letter back under its own id as the next attempt, and then deletes the letter.
 *
 * A crash between the two steps is harmless, and so is a repeat: the broker or the ledger knows the attempt. Throws `InvalidNameError`
 * where the letter's subject is not a task's, and what publishing throws.
 */
export async function requeueDeadLetter(broker: Broker, letter: StoredDeadLetter): Promise<void> {
  const address = parseTaskSubject(letter.subject);
  const headers = newHeaders();
  for (const [key, values] of letter.headers ?? []) {
    if (key.startsWith("Dead-") || key.startsWith("Nats-")) continue;
    for (const value of values) headers.append(key, value);
  }
  const attempt = letter.attempt + 1;
  headers.set(TASK_ID, letter.taskId);
  headers.set(TASK_ATTEMPT, String(attempt));
  headers.set(MSG_ID, `${letter.taskId}~${attempt}`);
  // Who waits from now on waits for the next attempt's end.
  if (headers.has(TASK_KEEP_RESULT)) await forgetResult(broker, letter.taskId);
  await publishSurely(broker, { subject: taskSubject(address), body: letter.body, headers });
  await broker.jsm.streams.deleteMessage(DEAD, letter.sequence, false);
}

/** Requeues the matching dead letters, at most `limit`. Default: all that exist when it begins. */
export async function requeueDeadLetters(
  broker: Broker,
  filter: DeadFilter,
  limit = Number.POSITIVE_INFINITY,
): Promise<Requeued> {
  const requeued: string[] = [];
  const refused: { taskId: string; reason: string }[] = [];
  const letters = deadLetters(broker, filter);
  let taken = 0;
  async function lane(): Promise<void> {
    for (;;) {
      if (taken >= limit) return;
      taken++;
      const { value: letter, done } = await letters.next();
      if (done) return;
      try {
        await requeueDeadLetter(broker, letter);
        requeued.push(letter.taskId);
      } catch (error) {
        if (!(error instanceof Error && error.name === "InvalidNameError")) throw error;
        refused.push({ taskId: letter.taskId, reason: error.message });
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(IN_FLIGHT, limit) }, lane));
  const failure = ended.find((end) => end.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return { requeued, refused };
}
