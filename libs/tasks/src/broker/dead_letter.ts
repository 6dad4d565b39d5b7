import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "./broker.ts";
import {
  DEAD_AT,
  DEAD_ERRORS,
  DEAD_REASON,
  DEAD_SUBJECT,
  MESSAGE_TTL,
  MSG_ID,
  oneLine,
  TASK_ATTEMPT,
  TASK_ID,
} from "../format/headers.ts";
import { deadSubject, type TaskAddress } from "../format/subject.ts";
import { publishSurely } from "./publish_surely.ts";

export interface DeadLetter extends TaskAddress {
  readonly taskId: string;
  readonly attempt: number;
  /** Why the task was given up. It is cut to one line of 1 KiB. */
  readonly reason: string;
  /** The errors of its attempts, oldest first. The newest eight are kept. */
  readonly errors?: readonly string[];
  /** The subject on which the task was stored. */
  readonly subject: string;
  /** The task's headers and body, unchanged. */
  readonly headers?: MsgHdrs | undefined;
  readonly data: Uint8Array;
  /** Where the message was stored, if the ledger has no row for it. Another message under the same id may be bad in another way. */
  readonly stored?: { readonly stream: string; readonly sequence: number } | undefined;
}

/** Whether a header is the server's own. DEAD would refuse it, or act on it. */
function isServersOwn(key: string): boolean {
  return key.startsWith("Nats-") || key === MESSAGE_TTL;
}

function letterIdOf({ taskId, attempt, stored }: DeadLetter): string {
  return stored === undefined ? `${oneLine(taskId)}!${attempt}` : `${stored.stream}-${stored.sequence}!`;
}

/**
 * Stores a dead letter and returns its sequence. Storing it twice is harmless: lists show each task id once. Throws when nobody answers in
 * time.
 */
export async function storeDeadLetter(broker: Broker, letter: DeadLetter): Promise<number> {
  const headers = newHeaders();
  for (const [key, values] of letter.headers ?? []) {
    if (isServersOwn(key)) continue;
    for (const value of values) headers.append(key, oneLine(value));
  }
  headers.set(TASK_ID, oneLine(letter.taskId));
  headers.set(TASK_ATTEMPT, String(letter.attempt));
  headers.set(DEAD_REASON, oneLine(letter.reason));
  headers.set(DEAD_SUBJECT, oneLine(letter.subject));
  headers.set(DEAD_AT, new Date().toISOString());
  for (const error of (letter.errors ?? []).slice(-8)) headers.append(DEAD_ERRORS, oneLine(error));
  headers.set(MSG_ID, letterIdOf(letter));
  const { seq } = await publishSurely(broker, { subject: deadSubject(letter), body: letter.data, headers });
  return seq;
}
