import type { NatsConnection } from "@nats-io/nats-core";
import type { Observer } from "./observer.ts";
import { createReminder } from "./reminder.ts";

/** Distance of two beats, ms. */
const BEAT_MS = 100;
/** Shortest delay of a beat that is of interest, ms. */
const STILL_MS = 500;
/** A delay explains what goes wrong until so long after it, ms: the longest wait for an answer. */
const EXPLAINS_MS = 10_000;
/** Shortest delay that is told by itself, ms. */
const TOLD_MS = 2_000;

/** Knows when this process stood still: its event loop was held by one piece of code, or the whole process was frozen. */
export interface LoopWatch {
  /** When it last went on, by `performance.now()`; `-Infinity`: it never stood still. */
  wentOnAtMs(): number;
  /** Why an answer may have come and not been read, in words; undefined: the process has not stood still lately. */
  explanation(): string | undefined;
}

/** Watches until the connection is closed. The observer hears of a long standstill, once a minute at most. */
export function watchLoop(nc: Pick<NatsConnection, "closed">, observer: Pick<Observer, "note">): LoopWatch {
  let beatAtMs = performance.now();
  let wentOnAtMs = Number.NEGATIVE_INFINITY;
  let stillMs = 0;
  const reminder = createReminder();

  /** A timer that fires before the beat's own may ask, so each question looks first. */
  function look(): void {
    const nowMs = performance.now();
    const lateMs = nowMs - beatAtMs - BEAT_MS;
    beatAtMs = nowMs;
    if (lateMs < STILL_MS) return;
    stillMs = lateMs;
    wentOnAtMs = nowMs;
    if (lateMs < TOLD_MS || !reminder.isTime("standstill")) return;
    observer.note(
      `This process stood still for ${seconds(lateMs)}: one piece of code held its event loop, or it was frozen`,
    );
  }

  const beating = setInterval(look, BEAT_MS).unref();
  void nc.closed().then(() => clearInterval(beating));
  return {
    wentOnAtMs() {
      look();
      return wentOnAtMs;
    },
    explanation() {
      look();
      if (performance.now() - wentOnAtMs > EXPLAINS_MS) return undefined;
      return `this process itself stood still for ${seconds(stillMs)} and read no answers`;
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
