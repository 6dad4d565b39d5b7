import type { NatsConnection } from "@nats-io/transport-node";
import { setTimeout as pause } from "node:timers/promises";

/** Pause between the round trips of a tick clock, ms. */
const TICK_MS = 10;

/**
 * A clock that is as fast as the machine. Each tick is a round trip to the server and a pause of 10 ms.
 *
 * It measures work that must not wait for one of our timers, such as a sweep. On a quiet machine a second has about ninety ticks. On a busy
 * machine, or one that stands still, the clock is slow too. So work takes about the same number of ticks there.
 */
export interface Ticks extends AsyncDisposable {
  now(): number;
  /** Number of ticks between two moments of `Date.now()`. */
  between(fromMs: number, toMs: number): number;
}

/** Starts a tick clock on an open connection. */
export function startTicks(nc: NatsConnection): Ticks {
  const tickedAtMs: number[] = [];
  let isOver = false;
  const ticking = (async () => {
    while (!isOver && !nc.isClosed()) {
      await nc.flush();
      await pause(TICK_MS);
      tickedAtMs.push(Date.now());
    }
  })();
  return {
    now: () => tickedAtMs.length,
    between: (fromMs, toMs) => tickedAtMs.filter((atMs) => atMs > fromMs && atMs <= toMs).length,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await ticking;
    },
  };
}
