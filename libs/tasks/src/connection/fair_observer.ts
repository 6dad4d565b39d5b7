import { TimeoutError } from "@nats-io/nats-core";
import type { LoopWatch } from "./loop_watch.ts";
import type { Observer } from "./observer.ts";

/** Adds to a message about a missing answer that this process itself was the cause, where it had stood still. */
export function fairObserver(observer: Observer, loop: Pick<LoopWatch, "explanation">): Observer {
  function fair(message: string, details: Readonly<Record<string, unknown>> | undefined): string {
    if (!(details?.["cause"] instanceof TimeoutError)) return message;
    const explanation = loop.explanation();
    return explanation === undefined ? message : `${message}: ${explanation}`;
  }
  return {
    alarm: (message, details) => observer.alarm(fair(message, details), details),
    note: (message, details) => observer.note(fair(message, details), details),
    step: (step) => observer.step(step),
    line: (line) => observer.line?.(line),
    redact: (text) => observer.redact?.(text) ?? text,
    locks: (held) => observer.locks?.(held),
    occurrence: (published) => observer.occurrence?.(published),
    vos: (names) => observer.vos?.(names),
    ...(observer.tracing && { tracing: observer.tracing }),
  };
}
