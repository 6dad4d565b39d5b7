import type { JetStreamManager } from "@nats-io/jetstream";
import type { BrokerNow } from "../tally/plan.ts";
import { elapsedMs, type Moment, momentNow, sharedNowMs } from "./clocks.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

/** Greatest age of a measurement, ms. */
const MEASURE_AGAIN_MS = 10_000;
/** Width of a measurement that is good enough, ms, and number of tries for a better one. */
const GOOD_WIDTH_MS = 20;
const TRIES = 3;
/** Distance of the two clocks of this machine from which a measurement counts no more, ms: the machine stood still, or a clock was set. */
const JUMP_MS = 250;

/** The broker's time between two bounds, and when that was, by the shared monotonic clock. */
export interface BrokerMoment extends BrokerNow {
  readonly atMs: number;
}

/** The clock by which the times in tallies are meant. */
export interface BrokerClock {
  /** Returns the present. Asks the broker every ten seconds. Throws when nobody answers. */
  now(): Promise<BrokerMoment>;
}

interface Measurement {
  /** Lead of the broker's clock over the shared monotonic one, ms: no less, and no more. */
  readonly leastMs: number;
  readonly mostMs: number;
  readonly at: Moment;
}

/**
 * Opens the clock of the leader of `locks`. It asks nothing before it is used.
 *
 * The time in an answer is no later than the broker's time when the answer is read, and no earlier than when the question was sent. The
 * two bounds rest on nothing else, so they hold however slow the network or this machine is.
 */
export function openBrokerClock(jsm: JetStreamManager): BrokerClock {
  let latest: Measurement | undefined;
  let asking: Promise<Measurement> | undefined;

  async function askOnce(): Promise<Measurement> {
    const at = momentNow();
    const { ts } = await jsm.streams.info(LOCKS_STREAM);
    const heardMs = sharedNowMs();
    if (ts === undefined) throw new Error("Cannot tell the broker's time: the server is too old to state it");
    const brokerMs = Date.parse(ts);
    // The server states nanoseconds, of which `Date` keeps the milliseconds.
    return { leastMs: brokerMs - heardMs, mostMs: brokerMs + 1 - at.monotonicMs, at };
  }

  async function ask(): Promise<Measurement> {
    let best = await askOnce();
    for (let tries = 1; tries < TRIES && best.mostMs - best.leastMs > GOOD_WIDTH_MS; tries++) {
      const next = await askOnce();
      if (next.mostMs - next.leastMs < best.mostMs - best.leastMs) best = next;
    }
    latest = best;
    return best;
  }

  function measure(): Promise<Measurement> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  return {
    async now() {
      let counts = latest;
      if (counts !== undefined) {
        const monotonicMs = sharedNowMs() - counts.at.monotonicMs;
        const hasJumped = elapsedMs(counts.at) - monotonicMs > JUMP_MS;
        if (hasJumped || monotonicMs > MEASURE_AGAIN_MS) counts = undefined;
      }
      const { leastMs, mostMs } = counts ?? (await measure());
      const atMs = sharedNowMs();
      return { earliestMs: atMs + leastMs, latestMs: atMs + mostMs, atMs };
    },
  };
}
