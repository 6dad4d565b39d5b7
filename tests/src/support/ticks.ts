import type { NatsConnection } from "@nats-io/transport-node";
import { setTimeout as pause } from "node:timers/promises";

/** Pause between the round trips of a tick clock, ms. */
const TICK_MS = 10;

/**
 * A clock that goes as fast as the machine does: each tick is a round trip to the server and 10 ms.
 *
 * For what must not wait for a timer of ours, such as a sweep. On a quiet machine a second has some ninety ticks. Where the machine is
 * busy or stands still, so does this clock, and what only took its turn like all else took no more ticks than it does otherwise.
 */
export interface Ticks extends AsyncDisposable {
  now(): number;
}

/** Starts a tick clock on an open connection. */
export function startTicks(nc: NatsConnection): Ticks {
  let count = 0;
  let isOver = false;
  const ticking = (async () => {
    while (!isOver && !nc.isClosed()) {
      await nc.flush();
      await pause(TICK_MS);
      count++;
    }
  })();
  return {
    now: () => count,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await ticking;
    },
  };
}
