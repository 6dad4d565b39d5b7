import type { JetStreamManager } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { nextMatching, purgeStoredUpTo, type Stored } from "../broker/stored_messages.ts";
import { hasLapsed, LAPSE_MARGIN_MS, parseTtl } from "../broker/timed_entry.ts";
import type { BrokerTime } from "../connection/broker_time.ts";
import { headerOf, isMark, MESSAGE_TTL } from "../format/headers.ts";
import { isLiteralSubject } from "../format/subject.ts";
import type { Reporter } from "../lead/reporter.ts";

/** The buckets whose entries have a time to live. */
const BUCKETS = ["locks", "results", "workers"] as const;
/** Greatest number of entries of a bucket in one pass. The next pass goes on after them. */
const LOOKED_AT = 1_000;

/**
 * Deletes entries that are older than their own time to live. After a hard kill the broker has such entries again and never removes them.
 * They count for nothing, but stay in every list.
 */
export interface LapsedSweep {
  /** Looks at each bucket once. Returns how many entries were deleted. Throws when nobody answers. */
  pass(): Promise<number>;
}

interface Look {
  readonly stream: string;
  readonly filter: string;
  /** The sequence of the first entry to look at. */
  readonly from: number;
}

/** The broker's clock at the moment of one answer. It stands still, so it is never ahead of the real one. */
async function openStoppedTime(jsm: JetStreamManager, stream: string): Promise<BrokerTime> {
  const { ts } = await jsm.streams.info(stream);
  const nowMs = ts === undefined ? Number.NEGATIVE_INFINITY : Date.parse(ts);
  return { isPast: async (atMs) => nowMs > atMs };
}

/** Whether an entry no longer counts, and its subject names it alone. */
async function isToGo(time: BrokerTime, { subject, header, timestamp }: Stored): Promise<boolean> {
  if (isMark(header) || !isLiteralSubject(subject)) return false;
  const ttlMs = parseTtl(headerOf(header, MESSAGE_TTL));
  return await hasLapsed(time, { storedAtMs: Date.parse(timestamp), ttlMs });
}

/** Looks at the oldest entries from `from` on. Returns where the next pass begins, and how many were deleted. */
async function lookThrough(
  { nc, jsm }: Pick<Broker, "nc" | "jsm">,
  { stream, filter, from }: Look,
): Promise<{ readonly next: number; readonly deleted: number }> {
  const time = await openStoppedTime(jsm, stream);
  let next = from;
  let deleted = 0;
  for (let looked = 0; looked < LOOKED_AT; looked++) {
    const stored = await nextMatching(jsm, stream, { from: next, filter });
    // Times grow with sequences, so all later entries are younger still. No entry lapses within the margin.
    const isYoung = stored === null || !(await time.isPast(Date.parse(stored.timestamp) + LAPSE_MARGIN_MS));
    if (isYoung) return { next: 1, deleted };
    next = stored.seq + 1;
    if (!(await isToGo(time, stored))) continue;
    // A lock that was taken meanwhile has a later sequence, which stays.
    await purgeStoredUpTo({ nc }, stream, { subject: stored.subject, sequence: stored.seq });
    deleted++;
  }
  return { next, deleted };
}

export function createLapsedSweep(broker: Pick<Broker, "nc" | "jsm">, report: Pick<Reporter, "note">): LapsedSweep {
  const nextOf = new Map<string, number>();
  return {
    async pass() {
      let sum = 0;
      for (const bucket of BUCKETS) {
        const [stream, filter] = [`KV_${bucket}`, `$KV.${bucket}.>`];
        const look = { stream, filter, from: nextOf.get(bucket) ?? 1 };
        const { next, deleted } = await lookThrough(broker, look);
        nextOf.set(bucket, next);
        sum += deleted;
        if (deleted === 0) continue;
        const what = `Deleted ${deleted} lapsed entries of bucket ${bucket}, which the broker had not removed`;
        report.note(`lapsed ${bucket}`, what, { bucket, deleted });
      }
      return sum;
    },
  };
}
