import type { NatsConnection } from "@nats-io/nats-core";
import type { Observer } from "./observer.ts";
import { createReminder } from "./reminder.ts";

/** Time from one beat to the next, ms. */
const BEAT_MS = 100;
/** Shortest delay of a beat that counts as a standstill, ms. */
const STILL_MS = 500;
/** Time after a standstill in which it explains a missing answer, ms: the longest wait for an answer. */
const EXPLAINS_MS = 10_000;
/** Shortest standstill that is reported by itself, ms. */
const TOLD_MS = 2_000;

/** Notices when this process stood still: one piece of code held its event loop, or the whole process was frozen. */
export interface LoopWatch {
  /** When the last standstill ended, by `performance.now()`; `-Infinity`: there was none. */
  wentOnAtMs(): number;
  /** Why an answer may have arrived without being read, in words; undefined: there was no standstill lately. */
  explanation(): string | undefined;
  /** Returns the longest delay of a beat since the last call, ms. The worker's record alone may ask. */
  takeWorstLateMs(): number;
}

/** Watches until the connection is closed. Reports a long standstill to the observer, at most once a minute. */
export function watchLoop(nc: Pick<NatsConnection, "closed">, observer: Pick<Observer, "note">): LoopWatch {
  let beatAtMs = performance.now();
  let wentOnAtMs = Number.NEGATIVE_INFINITY;
  let stillMs = 0;
  let worstLateMs = 0;
  const reminder = createReminder();

  /** Measures the delay of the last beat. Every question calls it first: another timer may fire before the beat's own. */
  function look(): void {
    const nowMs = performance.now();
    const lateMs = nowMs - beatAtMs - BEAT_MS;
    beatAtMs = nowMs;
    worstLateMs = Math.max(worstLateMs, lateMs);
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
    takeWorstLateMs() {
      look();
      const worst = worstLateMs;
      worstLateMs = 0;
      return worst;
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
