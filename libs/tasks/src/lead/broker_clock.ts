import type { Broker } from "../broker/broker.ts";
import { OLDEST_SERVER } from "../connection/connection.ts";
import { TASKS } from "../streams/streams.ts";

/** Smallest difference between two clocks that is reported, ms. */
const REMARKABLE_MS = 2_000;
/** Round trip after which the broker's time is known well enough, ms. */
const EXACT_MS = 200;
/** Number of questions after which a slow broker is asked no more. */
const MOST_QUESTIONS = 5;

/** The broker's time as this process knows it. */
export interface BrokerClock {
  /** ms since the epoch. It runs on this process's monotonic clock since the last `sync`, so a jump of the wall clock does not move it. */
  now(): number;
  /**
   * Asks the leader of TASKS for its time, by whose clock tasks are stored. Exact to a round trip, and asked again where that took long. What an
   * answer does not contradict stays.
   *
   * Returns by how much `now` has changed, ms. Reports a wall clock of this machine that is 2 s off. Throws when nobody answers.
   */
  sync(): Promise<number>;
}

/** How far this machine's wall clock is ahead of the broker's, ms; negative: behind. Throws when nobody answers. */
export async function measureClock(broker: Broker, wallNow: () => number = Date.now): Promise<number> {
  const lead = await askLead(broker);
  return wallNow() - performance.now() - middleOf(lead);
}

/** By how much the broker's clock is ahead of `performance.now()`, ms: this much at least and at most. */
interface Lead {
  readonly least: number;
  readonly most: number;
}

const middleOf = ({ least, most }: Lead) => (least + most) / 2;
const within = (lead: number, { least, most }: Lead) => Math.min(Math.max(lead, least), most);

/**
 * Asks for the broker's time, and again where an answer took long. The time in an answer is of some moment between question and answer, and a
 * machine under load may stand still for seconds between the two. What several answers allow is the lead.
 */
async function askLead({ jsm }: Broker): Promise<Lead> {
  let lead: Lead = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  for (let asked = 0; asked < MOST_QUESTIONS && lead.most - lead.least > EXACT_MS; asked++) {
    const askedAt = performance.now();
    const { ts } = await jsm.streams.info(TASKS);
    const heardAt = performance.now();
    if (ts === undefined)
      throw new Error(
        `Cannot learn the time of NATS: its stream info has none; upgrade the server to ${OLDEST_SERVER} or newer`,
      );
    const found = { least: Date.parse(ts) - heardAt, most: Date.parse(ts) - askedAt };
    const both = { least: Math.max(lead.least, found.least), most: Math.min(lead.most, found.most) };
    // A clock that has jumped between two answers leaves nothing that both allow.
    lead = both.least <= both.most ? both : found;
  }
  return lead;
}

/** Opens a clock, and asks for the time once before it returns. `wallNow` is this machine's wall clock; tests replace it. */
export async function openBrokerClock(broker: Broker, wallNow: () => number = Date.now): Promise<BrokerClock> {
  let offsetMs: number | undefined;
  let reportedMs = 0;

  function reportWall(lead: Lead): void {
    const wallLead = wallNow() - performance.now();
    const aheadMs = Math.round(wallLead - within(wallLead, lead));
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
    const lead = await askLead(broker);
    const before = offsetMs ?? 0;
    offsetMs = offsetMs === undefined ? middleOf(lead) : within(offsetMs, lead);
    reportWall(lead);
    return offsetMs - before;
  }

  await sync();
  return { now: () => performance.now() + (offsetMs ?? 0), sync };
}
