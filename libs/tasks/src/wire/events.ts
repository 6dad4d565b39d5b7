import type { Broker } from "./broker.ts";
import type { Step } from "./observer.ts";
import { eventSubject } from "./subject.ts";

/** Steps after which another step of the task comes, mostly soon, and can take them along. */
const SOON: ReadonlySet<Step["step"]> = new Set(["started", "contended"]);

/**
 * Tells a step of a task's life on `events.<TaskName>.<vo>.<step>`, and to the observer.
 *
 * At most once and without an answer: events are for people, and nothing is proven by one.
 */
export function publishEvent(broker: Broker, worker: string, step: Step): void {
  broker.observer.step(step);
  const body = JSON.stringify({ ...step, at: new Date().toISOString(), worker });
  // The buffer comes from a pool; the client would allocate one for each text.
  broker.events.send(eventSubject(step, step.step), Buffer.from(body), SOON.has(step.step) ? "soon" : "now");
}
