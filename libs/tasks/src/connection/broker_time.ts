import type { JetStreamManager } from "@nats-io/jetstream";

/** Greatest age of a measurement before the next look at it asks for a new one, ms. */
const MEASURE_AGAIN_MS = 10_000;

/** What the broker's clock says, with as few requests as possible. */
export interface BrokerTime {
  /**
   * Whether the broker's clock has surely passed `atMs`, ms since the epoch.
   *
   * Costs nothing where an earlier measurement says that it has not. "Yes" always rests on one request of its own. Throws when nobody
   * answers that request.
   */
  isPast(atMs: number): Promise<boolean>;
}

interface Measurement {
  /** Smallest lead of the broker's clock over this thread's `performance.now()`, ms. */
  readonly leadMs: number;
  /** When the answer was heard, by `performance.now()`. */
  readonly heardAtMs: number;
}

/**
 * The clock of the leader of `stream`, by which its messages are stored. Asks nothing before it is used.
 *
 * The time in an answer is compared with the moment when the answer arrived. So the broker's clock is never taken to be ahead of where it
 * is, and nothing seems older than it is. This machine's wall clock plays no part.
 */
export function openBrokerTime(jsm: JetStreamManager, stream: string): BrokerTime {
  let latest: Measurement | undefined;
  let asking: Promise<Measurement> | undefined;

  async function ask(): Promise<Measurement> {
    const { ts } = await jsm.streams.info(stream);
    const heardAtMs = performance.now();
    // A server too old to state its time is refused when we connect. Until then "never past" is the safe answer.
    const leadMs = ts === undefined ? Number.NEGATIVE_INFINITY : Date.parse(ts) - heardAtMs;
    latest = { leadMs, heardAtMs };
    return latest;
  }

  /** Sends one request at a time. Callers that come meanwhile share its answer. */
  function measure(): Promise<Measurement> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  return {
    async isPast(atMs) {
      if (latest !== undefined && performance.now() + latest.leadMs <= atMs) {
        const isOld = performance.now() - latest.heardAtMs > MEASURE_AGAIN_MS;
        // Nobody waits for this measurement. A later caller uses it, or meets the failure itself.
        if (isOld) void measure().catch(() => undefined);
        return false;
      }
      const { leadMs } = await measure();
      return performance.now() + leadMs > atMs;
    },
  };
}
