import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import type { SpawnedTask } from "../definition/ledger.ts";
import {
  MSG_ID,
  SCHEDULE,
  SCHEDULE_TARGET,
  TASK_ATTEMPT,
  TASK_ERRORS,
  TASK_GROUP,
  TASK_ID,
  TASK_PARENT,
  TASK_PAYLOAD_VERSION,
  TRACEPARENT,
} from "../format/headers.ts";
import type { OutgoingMessage } from "../broker/publish_surely.ts";
import { dueSubject, laterSubject, taskSubject } from "../format/subject.ts";

/**
 * Latest start of a delayed task, ms since the epoch: 2262-04-11T23:47:16Z. The server counts in nanoseconds of 64 bits, and takes a later
 * time for a past one.
 */
const LATEST_START_MS = 9_223_372_036_000;

/** The start of a delayed task, RFC 3339 in UTC. Throws `RangeError` for an invalid date, and for one after 2262-04-11. */
export function startAtOf(at: Date): string {
  if (at.getTime() <= LATEST_START_MS) return at.toISOString();
  const found = Number.isNaN(at.getTime()) ? "no time" : at.toISOString();
  throw new RangeError(
    `Cannot delay a task until ${found}: give a time before ${new Date(LATEST_START_MS).toISOString()}`,
  );
}

/** The text of the server's `Nats-Schedule` for one time. */
function atTime(at: Date): string {
  return `@at ${at.toISOString()}`;
}

/** The message that starts a task at once, or at `startAt` where that lies ahead. */
export function messageOf(task: SpawnedTask, parent?: string): OutgoingMessage {
  const headers = newHeaders();
  headers.set(TASK_ID, task.taskId);
  headers.set(MSG_ID, task.taskId);
  if (parent !== undefined) headers.set(TASK_PARENT, parent);
  if (task.payloadVersion !== undefined) headers.set(TASK_PAYLOAD_VERSION, String(task.payloadVersion));
  const body = JSON.stringify(task.payload);
  if (task.startAt === undefined || Date.parse(task.startAt) <= Date.now())
    return { subject: taskSubject(task), body, headers };
  headers.set(SCHEDULE, atTime(new Date(task.startAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(task));
  return { subject: laterSubject(task, task.taskId), body, headers };
}

/** The next attempt of a task. */
export interface NextAttempt {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  /** The number of the next attempt. */
  readonly attempt: number;
  /** RFC 3339, UTC. */
  readonly dueAt: string;
  /** The errors of the attempts before it, where no ledger remembers them. */
  readonly errors: readonly string[];
  /** The headers of the attempt before it. */
  readonly headers: MsgHdrs | undefined;
}

/** Headers that stay the same over a task's attempts: who asked for it, and in what form. */
export const KEPT_HEADERS: readonly string[] = [TASK_PAYLOAD_VERSION, TASK_PARENT, TASK_GROUP, TRACEPARENT];

/** The message that starts a task's next attempt at its time. A repeat replaces the schedule that still waits. */
export function retryMessageOf(next: NextAttempt): Omit<OutgoingMessage, "body"> {
  const headers = newHeaders();
  headers.set(TASK_ID, next.taskId);
  headers.set(TASK_ATTEMPT, String(next.attempt));
  for (const key of KEPT_HEADERS) {
    const value = next.headers?.get(key);
    if (value) headers.set(key, value);
  }
  for (const error of next.errors) headers.append(TASK_ERRORS, error);
  headers.set(SCHEDULE, atTime(new Date(next.dueAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(next));
  return { subject: laterSubject(next, `${next.taskId}~${next.attempt}`), headers };
}
