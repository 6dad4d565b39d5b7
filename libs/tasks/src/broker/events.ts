import type { Broker } from "./broker.ts";
import type { Step } from "../connection/observer.ts";
import { eventSubject } from "../format/subject.ts";

let lastMs = 0;
let lastText = "";

/** Now, by ISO 8601. Made anew once a millisecond: it costs as much as the rest of an event. */
function nowText(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}

/**
 * Tells a step of a task's life on `events.<TaskName>.<vo>.<step>`, and to the observer, with what is sent next.
 *
 * At most once and without an answer: events are for people, and nothing is proven by one.
 */
export function sendEvent({ observer, outbox }: Pick<Broker, "observer" | "outbox">, worker: string, step: Step): void {
  observer.step(step);
  const { task, vo, taskId, attempt, reason } = step;
  // To the microsecond: a number of sixteen digits takes longer to write than it is worth.
  const tookMs = step.tookMs === undefined ? undefined : Math.round(step.tookMs * 1_000) / 1_000;
  const event = { step: step.step, tookMs, reason, task, vo, taskId, attempt, at: nowText(), worker };
  // The buffer comes from a pool; the client would allocate one for each text.
  outbox.send(eventSubject(step, step.step), Buffer.from(JSON.stringify(event)));
}

/** As {@linkcode sendEvent}, and at once: for whoever may close the connection next. */
export function publishEvent(broker: Pick<Broker, "observer" | "outbox">, worker: string, step: Step): void {
  sendEvent(broker, worker, step);
  broker.outbox.flush();
}
