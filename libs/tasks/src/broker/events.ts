import type { Broker } from "./broker.ts";
import type { RunLine, Step } from "../connection/observer.ts";
import { eventSubject } from "../format/subject.ts";

let lastMs = 0;
let lastText = "";

/** The time as ISO 8601. It is printed once for each millisecond: printing costs as much as the rest of an event. */
function nowText(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}

/**
 * Reports one step of a task's life to the observer, and on `events.<TaskName>.<vo>.<step>` with the next write to the connection. One message
 * may tell several events of its subject, each as a line.
 *
 * An event is sent at most once and without an answer: events are for people, and no event proves anything.
 */
export function sendEvent({ observer, outbox }: Pick<Broker, "observer" | "outbox">, worker: string, step: Step): void {
  observer.step(step);
  const { task, vo, taskId, attempt, reason, traceId } = step;
  // Microseconds are enough: a number of sixteen digits takes long to print.
  const tookMs = step.tookMs === undefined ? undefined : Math.round(step.tookMs * 1_000) / 1_000;
  const event = { step: step.step, tookMs, reason, task, vo, taskId, attempt, at: nowText(), worker, traceId };
  const subject = eventSubject(step, step.step);
  outbox.tell({ subject, text: JSON.stringify(event), about: taskId, begins: step.step === "started" });
}

/** Like {@linkcode sendEvent}, but sends at once: for callers that may close the connection next. */
export function publishEvent(broker: Pick<Broker, "observer" | "outbox">, worker: string, step: Step): void {
  sendEvent(broker, worker, step);
  broker.outbox.flush();
}

/** A line of a run that is told as an event. */
export type LineEvent = Omit<RunLine, "message" | "fields">;

/** Publishes a line of a run on `events.<TaskName>.<vo>.log`, with the next write to the connection. */
export function sendLine({ observer, outbox }: Pick<Broker, "observer" | "outbox">, worker: string, line: LineEvent) {
  const { task, vo, taskId, attempt, level, text, traceId } = line;
  const reason = observer.redact?.(text) ?? text;
  const event = { step: "log", level, reason, task, vo, taskId, attempt, at: nowText(), worker, traceId };
  outbox.tell({ subject: eventSubject(line, "log"), text: JSON.stringify(event), about: taskId, begins: false });
}
