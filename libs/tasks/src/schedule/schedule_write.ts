import type { Entry } from "../due/agenda.ts";
import { headersFrom, TASK_ID, TASK_PAYLOAD_VERSION } from "../format/headers.ts";
import type { OwnHeaders } from "../format/own_headers.ts";
import { expecting, type Marker, printMarker } from "../broker/marker.ts";
import { occurrenceId } from "../broker/occurrence.ts";
import type { OutgoingMessage } from "../broker/publish_surely.ts";
import type { NextStep } from "../due/next_step.ts";

/** What must be stored for one schedule, all or nothing. */
export interface ScheduleWrite {
  readonly entry: Entry;
  readonly step: Exclude<NextStep, { kind: "rest" }>;
  /** What middlewares have added to the occurrence; absent: nothing. */
  readonly headers?: OwnHeaders;
}

/**
 * The marker, which expects to replace the one that was read, and after it the occurrence's task.
 *
 * The task has no `Nats-Msg-Id`: a repeat inside the broker's window would refuse the batch. The marker already excludes a second one.
 */
export function messagesOf({
  entry: { planned, stored },
  step,
  headers: own = {},
}: ScheduleWrite): readonly OutgoingMessage[] {
  const expected = stored === undefined || stored === "unread" ? 0 : stored.sequence;
  const value = { dueAt: step.dueAt, schedule: planned.text };
  const subject = planned.markerSubject;
  const headers = headersFrom(expecting(expected));
  if (step.kind === "restart") return [{ subject, headers, body: printMarker({ ...value, message: step.message }) }];
  const taskHeaders = headersFrom({ ...own, [TASK_ID]: occurrenceId({ ...planned, dueAt: step.dueAt }) });
  if (planned.payloadVersion !== 1) taskHeaders.set(TASK_PAYLOAD_VERSION, String(planned.payloadVersion));
  return [
    { subject, headers, body: printMarker(value) },
    { subject: planned.taskSubject, headers: taskHeaders, body: planned.body },
  ];
}

/** The marker that `write` has stored at `sequence`. */
export function markerAfter({ entry, step }: ScheduleWrite, sequence: number): Marker {
  const message = step.kind === "restart" ? step.message : sequence + 1;
  return { sequence, dueAt: step.dueAt, schedule: entry.planned.text, message };
}
