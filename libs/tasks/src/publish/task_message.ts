// Tested by tests/src/worker/delayed_test.ts
// Tested by tests/src/worker/unique_race_test.ts
import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import type { SpawnedTask } from "../definition/ledger.ts";
import { ownHeadersOf } from "../format/own_headers.ts";
import {
  headerOf,
  MSG_ID,
  SCHEDULE,
  SCHEDULE_TARGET,
  setOwn,
  TASK_ATTEMPT,
  TASK_CALLBACK,
  TASK_ERRORS,
  TASK_GROUP,
  TASK_ID,
  TASK_KEEP_RESULT,
  TASK_PARENT,
  TASK_PAYLOAD_VERSION,
  TASK_UNIQUE,
} from "../format/headers.ts";
import type { Broker } from "../broker/broker.ts";
import type { OutgoingMessage } from "../broker/publish_surely.ts";
import { dueSubject, laterSubject, taskSubject } from "../format/subject.ts";

/** The text of the server's `Nats-Schedule` for one time. */
function atTime(at: Date): string {
  return `@at ${at.toISOString()}`;
}

/** The broker that a message goes to: it says by what a repeat is told. */
type Identifying = Pick<Broker, "messageIds">;

/** The message that starts a task at once, or at `startAt` where that lies ahead. */
export function messageOf(broker: Identifying, task: SpawnedTask, parent?: string): OutgoingMessage {
  const { startAt } = task;
  const isNow = startAt === undefined || Date.parse(startAt) <= Date.now();
  if (!isNow) return delayedMessageOf(broker, { ...task, startAt }, parent);
  return { subject: taskSubject(task), body: JSON.stringify(task.payload), headers: headersOf(broker, task, parent) };
}

/** The message that starts a task at its time, and at once where that has passed. */
export function delayedMessageOf(
  broker: Identifying,
  task: SpawnedTask & { readonly startAt: string },
  parent?: string,
): OutgoingMessage {
  const headers = headersOf(broker, task, parent);
  headers.set(SCHEDULE, atTime(new Date(task.startAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(task));
  return { subject: laterSubject(task, task.taskId), body: JSON.stringify(task.payload), headers };
}

function headersOf({ messageIds }: Identifying, task: SpawnedTask, parent: string | undefined): MsgHdrs {
  const headers = newHeaders();
  setOwn(headers, TASK_ID, task.taskId);
  setOwn(headers, MSG_ID, messageIds.of(task.taskId));
  if (parent !== undefined) setOwn(headers, TASK_PARENT, parent);
  if (task.group !== undefined) setOwn(headers, TASK_GROUP, task.group);
  if (task.callback !== undefined) setOwn(headers, TASK_CALLBACK, task.callback.id);
  if (task.payloadVersion !== undefined) setOwn(headers, TASK_PAYLOAD_VERSION, String(task.payloadVersion));
  if (task.headers !== undefined) for (const [name, value] of Object.entries(task.headers)) headers.set(name, value);
  if (task.keepResultMs !== undefined) setOwn(headers, TASK_KEEP_RESULT, `${task.keepResultMs}ms`);
  return headers;
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

/** Headers of ours that stay the same over a task's attempts: who asked for it, and in what form. */
const KEPT_HEADERS: readonly string[] = [
  TASK_UNIQUE,
  TASK_PAYLOAD_VERSION,
  TASK_PARENT,
  TASK_GROUP,
  TASK_CALLBACK,
  TASK_KEEP_RESULT,
];

/** The headers of a message that stay the same over a task's attempts: some of ours, and all of its publisher's own. */
export function keptHeadersOf(headers: MsgHdrs | undefined): Record<string, string> {
  const kept = ownHeadersOf(headers);
  for (const name of KEPT_HEADERS) {
    const value = headerOf(headers, name);
    if (value !== "") kept[name] = value;
  }
  return kept;
}

/** The message that starts a task's next attempt at its time. A repeat replaces the schedule that still waits. */
export function retryMessageOf(next: NextAttempt): Omit<OutgoingMessage, "body"> {
  const headers = newHeaders();
  headers.set(TASK_ID, next.taskId);
  headers.set(TASK_ATTEMPT, String(next.attempt));
  for (const [name, value] of Object.entries(keptHeadersOf(next.headers))) headers.set(name, value);
  for (const error of next.errors) headers.append(TASK_ERRORS, error);
  headers.set(SCHEDULE, atTime(new Date(next.dueAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(next));
  return { subject: laterSubject(next, `${next.taskId}~${next.attempt}`), headers };
}
