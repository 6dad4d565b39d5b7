// Tested by tests/src/cli/dead_test.ts
import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { DEAD_SUBJECT, MSG_ID, TASK_ATTEMPT, TASK_ID, TASK_KEEP_RESULT, TASK_UNIQUE } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import { forgetResult } from "../result/keep_result.ts";
import { DEAD } from "../streams/streams.ts";
import { parseTaskSubject, type TaskAddress, taskSubject } from "../format/subject.ts";
import { type DeadFilter, deadLetters, type StoredDeadLetter } from "./dead_letters.ts";

/** What became of a requeue. */
export interface Requeued {
  /** Task ids that wait again. */
  readonly requeued: readonly string[];
  /** Tasks that cannot wait again: their subject is not a task's, or a header is missing. Their letters stay. */
  readonly refused: readonly RefusedLetter[];
}

/** A dead letter that stays, with the reason. */
export interface RefusedLetter {
  /** Its sequence in DEAD. */
  readonly sequence: number;
  /** Empty where the letter names none. */
  readonly taskId: string;
  readonly reason: string;
}

/** Greatest number of dead letters that are requeued at the same time. */
const IN_FLIGHT = 100;

/** Returns where the letter's task goes. Throws `InvalidNameError` where it cannot be requeued. */
export function checkRequeuable({ sequence, subject, taskId }: StoredDeadLetter): TaskAddress {
  for (const [header, value] of [
    [DEAD_SUBJECT, subject],
    [TASK_ID, taskId],
  ] as const) {
    if (value !== "") continue;
    const what = `header ${header} of dead letter ${sequence}`;
    const rule = `publish the task anew, and delete the letter: nats stream rmm DEAD ${sequence}`;
    throw new InvalidNameError({ what, value, problem: "it is missing", rule });
  }
  return parseTaskSubject(subject);
}

/**
 * Puts one dead letter back under its own id as the next attempt, and then deletes the letter.
 *
 * A crash between the two steps is harmless, and so is a repeat: the broker or the ledger knows the attempt. Throws `InvalidNameError`
 * where {@linkcode checkRequeuable} does, and what publishing throws.
 */
export async function requeueDeadLetter(broker: Broker, letter: StoredDeadLetter): Promise<void> {
  const address = checkRequeuable(letter);
  const headers = newHeaders();
  for (const [key, values] of letter.headers ?? []) {
    // It has begun, so its place under a unique key is free.
    if (key.startsWith("Dead-") || key.startsWith("Nats-") || key === TASK_UNIQUE) continue;
    for (const value of values) headers.append(key, value);
  }
  const attempt = letter.attempt + 1;
  headers.set(TASK_ID, letter.taskId);
  headers.set(TASK_ATTEMPT, String(attempt));
  headers.set(MSG_ID, broker.messageIds.of(`${letter.taskId}~${attempt}`));
  // Who waits from now on waits for the next attempt's end.
  if (headers.has(TASK_KEEP_RESULT)) await forgetResult(broker, letter.taskId);
  await publishSurely(broker, { subject: taskSubject(address), body: letter.body, headers });
  await deleteStored(broker, DEAD, letter.sequence);
}

/** Which of the matching letters are requeued, and whether in earnest. */
export interface RequeueOptions {
  /** Greatest number of letters. Default: all that exist when it begins. */
  readonly limit?: number;
  /** Only checks which would be requeued. Default false. */
  readonly dryRun?: boolean;
}

/** Requeues the matching dead letters. */
export async function requeueDeadLetters(
  broker: Broker,
  filter: DeadFilter,
  { limit = Number.POSITIVE_INFINITY, dryRun = false }: RequeueOptions = {},
): Promise<Requeued> {
  const requeued: string[] = [];
  const refused: RefusedLetter[] = [];
  const letters = deadLetters(broker, filter, { headersOnly: dryRun });
  let taken = 0;
  async function lane(): Promise<void> {
    for (;;) {
      if (taken >= limit) return;
      taken++;
      const { value: letter, done } = await letters.next();
      if (done) return;
      try {
        if (dryRun) checkRequeuable(letter);
        else await requeueDeadLetter(broker, letter);
        requeued.push(letter.taskId);
      } catch (error) {
        if (!(error instanceof Error && error.name === "InvalidNameError")) throw error;
        const { sequence, taskId } = letter;
        refused.push({ sequence, taskId, reason: error.message });
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(IN_FLIGHT, limit) }, lane));
  const failure = ended.find((end) => end.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return { requeued, refused };
}
