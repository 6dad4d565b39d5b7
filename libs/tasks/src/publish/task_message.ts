import { headers as newHeaders } from "@nats-io/nats-core";
import type { SpawnedTask } from "../definition/unit_of_work.ts";
import { MSG_ID, SCHEDULE, SCHEDULE_TARGET, TASK_ATTEMPT, TASK_ID, TASK_PARENT } from "../wire/headers.ts";
import type { OutgoingMessage } from "../wire/publish_surely.ts";
import { dueSubject, laterSubject, taskSubject } from "../wire/subject.ts";

/** RFC 3339 in UTC with nanoseconds' place left out: what the server's `@at` takes. */
function atTime(at: Date): string {
  return `@at ${at.toISOString()}`;
}

/** The message that starts a task at once, or at `startAt` where it has one that lies ahead. */
export function messageOf(task: SpawnedTask, parent?: string): OutgoingMessage {
  const headers = newHeaders();
  headers.set(TASK_ID, task.taskId);
  headers.set(MSG_ID, task.taskId);
  if (parent !== undefined) headers.set(TASK_PARENT, parent);
  const body = JSON.stringify(task.payload);
  if (task.startAt === undefined || Date.parse(task.startAt) <= Date.now())
    return { subject: taskSubject(task), body, headers };
  headers.set(SCHEDULE, atTime(new Date(task.startAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(task));
  return { subject: laterSubject(task, task.taskId), body, headers };
}

/** The message that starts attempt `attempt` of a task at `dueAt`. A repeat replaces the schedule that still waits. */
export function retryMessageOf(
  task: { readonly task: string; readonly vo: string; readonly taskId: string; readonly parent?: string | undefined },
  attempt: number,
  dueAt: string,
): Omit<OutgoingMessage, "body"> {
  const headers = newHeaders();
  headers.set(TASK_ID, task.taskId);
  headers.set(TASK_ATTEMPT, String(attempt));
  if (task.parent) headers.set(TASK_PARENT, task.parent);
  headers.set(SCHEDULE, atTime(new Date(dueAt)));
  headers.set(SCHEDULE_TARGET, dueSubject(task));
  return { subject: laterSubject(task, `${task.taskId}~${attempt}`), headers };
}
