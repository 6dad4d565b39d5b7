import type { Broker } from "../broker/broker.ts";
import { OLDEST_SERVER } from "../connection/connection.ts";
import { TASKS } from "../streams/streams.ts";

/** Smallest difference between two clocks that is reported, ms. */
const REMARKABLE_MS = 2_000;

/** The broker's time as this process knows it. */
export interface BrokerClock {
  /** ms since the epoch. It runs on this process's monotonic clock since the last `sync`, so a jump of the wall clock does not move it. */
  now(): number;
  /**
   * Asks the leader of TASKS for its time, by whose clock tasks are stored. Exact to half a round trip.
   *
   * Returns by how much `now` has changed, ms. Reports a wall clock of this machine that is 2 s off. Throws when nobody answers.
   */
  sync(): Promise<number>;
}

/** How far this machine's wall clock is ahead of the broker's, ms; negative: behind. Throws when nobody answers. */
export async function measureClock(broker: Broker, wallNow: () => number = Date.now): Promise<number> {
  const { brokerAt, heardAt } = await askTime(broker);
  return wallNow() - (performance.now() - heardAt) - brokerAt;
}

/** `heardAt` is the moment of `performance.now()` at which the broker's clock showed `brokerAt`. */
async function askTime({ jsm }: Broker): Promise<{ readonly brokerAt: number; readonly heardAt: number }> {
  const askedAt = performance.now();
  const { ts } = await jsm.streams.info(TASKS);
  const heardAt = (askedAt + performance.now()) / 2;
  if (ts === undefined)
    throw new Error(
      `Cannot learn the time of NATS: its stream info has none; upgrade the server to ${OLDEST_SERVER} or newer`,
    );
  return { brokerAt: Date.parse(ts), heardAt };
}

/** Opens a clock, and asks for the time once before it returns. `wallNow` is this machine's wall clock; tests replace it. */
export async function openBrokerClock(broker: Broker, wallNow: () => number = Date.now): Promise<BrokerClock> {
  let offsetMs = 0;
  let reportedMs = 0;

  function reportWall(): void {
    const aheadMs = Math.round(wallNow() - (performance.now() + offsetMs));
    if (Math.abs(aheadMs - reportedMs) < REMARKABLE_MS) return;
    if (Math.abs(aheadMs) >= REMARKABLE_MS) {
      const ahead = `${Math.abs(aheadMs) / 1_000} s ${aheadMs > 0 ? "ahead of" : "behind"} the broker's`;
      broker.observer.alarm(`This machine's clock is ${ahead}; schedules go by the broker's`, { aheadMs });
      reportedMs = aheadMs;
    } else {
      broker.observer.note("This machine's clock agrees with the broker's again", { aheadMs });
      reportedMs = 0;
    }
  }

  async function sync(): Promise<number> {
    const { brokerAt, heardAt } = await askTime(broker);
    const before = offsetMs;
    offsetMs = brokerAt - heardAt;
    reportWall();
    return offsetMs - before;
  }

  await sync();
  return { now: () => performance.now() + offsetMs, sync };
}
