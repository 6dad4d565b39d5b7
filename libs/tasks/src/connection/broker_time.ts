import type { JetStreamManager } from "@nats-io/jetstream";

/** How old a measurement may be before a look at it asks for the next one, ms. */
const MEASURE_AGAIN_MS = 10_000;

/** What the broker's clock says, asked for as seldom as that can be. */
export interface BrokerTime {
  /**
   * Whether the broker's clock has surely passed `atMs`, ms since the epoch.
   *
   * Costs nothing where an earlier measurement says that it has not. "Yes" always rests on an answer to this very question: one request.
   * Throws when nobody answers it.
   */
  isPast(atMs: number): Promise<boolean>;
}

interface Measurement {
  /** What the broker's clock is ahead of this thread's `performance.now()` by, at least, ms. */
  readonly leadMs: number;
  /** When it was heard, by `performance.now()`. */
  readonly heardAtMs: number;
}

/**
 * The clock of `stream`'s leader, by which its messages are stored. Asks nothing before it is used.
 *
 * The time in an answer is compared with the moment at which the answer was here. So the broker's clock is never taken to be ahead of
 * where it is, and nothing seems older than it is. This machine's wall clock plays no part.
 */
export function openBrokerTime(jsm: JetStreamManager, stream: string): BrokerTime {
  let latest: Measurement | undefined;
  let asking: Promise<Measurement> | undefined;

  async function ask(): Promise<Measurement> {
    const { ts } = await jsm.streams.info(stream);
    const heardAtMs = performance.now();
    // A server too old to tell the time is refused at connecting; "never past" is the safe answer until then.
    const leadMs = ts === undefined ? Number.NEGATIVE_INFINITY : Date.parse(ts) - heardAtMs;
    latest = { leadMs, heardAtMs };
    return latest;
  }

  /** One request at a time; those who ask meanwhile share its answer. */
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
        // Nobody waits for it; whoever asks later has it, or meets the failure himself.
        if (isOld) void measure().catch(() => undefined);
        return false;
      }
      const { leadMs } = await measure();
      return performance.now() + leadMs > atMs;
    },
  };
}
