import type { Observer, Step } from "@muster/tasks";
import type { AppTracing } from "./open_tracing.ts";

/** The observer, which also adds each step to the span of its task. The same one where traces are off. */
export function traced(observer: Observer, tracing: AppTracing | undefined): Observer {
  if (tracing === undefined) return observer;
  return {
    ...observer,
    step(step: Step) {
      observer.step(step);
      tracing.noteStep(step);
    },
    tracing: tracing.tracing,
  };
}
