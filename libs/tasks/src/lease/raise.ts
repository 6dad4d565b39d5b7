import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Happened } from "../broker/incidents.ts";
import type { BrokerTime } from "../connection/broker_time.ts";
import { headersFrom, MESSAGE_TTL } from "../format/headers.ts";
import type { Observer } from "../connection/observer.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

/**
 * Smallest fencing token. A raised bucket counts on from the time in microseconds, some 1.8e15. A smaller revision comes from a bucket
 * that was created anew and not yet raised.
 */
export const LOWEST_TOKEN = 1e15;
/** Distance by which a raise goes beyond the highest fencing token in the database. It covers tokens that are not stored there yet. */
const HEADROOM = 1e9;

/** The bucket that is raised, and what is known of its tokens. */
export interface RaiseOptions {
  readonly jsm: JetStreamManager;
  readonly observer: Observer;
  /** The highest revision in `lock_fence`; absent where there is no database. */
  readonly highestFence?: (() => Promise<number>) | undefined;
}

/**
 * Lifts the next revision of the bucket `locks` above every fencing token given out so far, and frees every lock in it.
 *
 * A bucket that was deleted or restored counts from a lower revision again. The database would refuse its tokens, or they would be
 * given out twice. Watchers live on, and holders find at their next renewal that they have lost their locks. Raising twice is harmless.
 * Returns the next revision.
 */
export async function raiseLocks({ jsm, observer, highestFence }: RaiseOptions): Promise<number> {
  let highest = 0;
  try {
    highest = (await highestFence?.()) ?? 0;
  } catch (cause) {
    // The clock alone is above all tokens, except those that were given out while a clock was ahead. The database refuses runs then.
    observer.alarm("Cannot read the highest fencing token; the locks are raised by the clock alone", { cause });
  }
  // The lowest token is for a machine whose clock has not been set.
  const seq = Math.max(Date.now() * 1_000, highest + HEADROOM, LOWEST_TOKEN);
  await jsm.streams.purge(LOCKS_STREAM, { seq });
  observer.note("Raised the revisions of the bucket locks, which freed every lock", { nextRevision: seq });
  return seq;
}

export interface RaiseIfBehindOptions extends RaiseOptions {
  readonly js: JetStreamClient;
  readonly highestFence: () => Promise<number>;
  readonly keepIncident: (happened: Happened) => void;
}

/** A key that nobody locks, for a write that only asks for the next revision. Its entry expires. */
export const PROBE_KEY = "revision.probe";
const PROBE_TTL = "1s";

/** Returns the revision of a write made now. The stream's info, in contrast, may come from a former leader that is behind. */
async function writeProbe(js: JetStreamClient): Promise<number> {
  const headers = headersFrom({ [MESSAGE_TTL]: PROBE_TTL });
  const { seq } = await js.publish(`$KV.locks.${PROBE_KEY}`, "{}", { headers });
  return seq;
}

/**
 * Raises the bucket if the database has stored a fencing token above the bucket's last revision, and returns whether it had.
 *
 * For a run that the fence refused although nobody else holds the lock: the bucket has lost its newest revisions.
 *
 * The database must be read before the bucket. Each token in the database is a revision that the bucket had given out before. So a
 * bucket that has not fallen, and is read second, is at or above every token that was read. There is no false alarm, whatever is taken
 * and committed meanwhile. If the bucket were read first, each lock that is taken and committed in between would look like a fall.
 *
 * A bucket that has fallen below the token is seen, since its revision rises by one with each write. If it has passed the token by the
 * time it is read, new tokens are above all stored ones again, and there is nothing to raise. (Searched in docs/models/raise.pml.)
 */
export async function raiseIfBehind(options: RaiseIfBehindOptions): Promise<boolean> {
  const { js, jsm, observer } = options;
  const highest = await options.highestFence();
  const { state } = await jsm.streams.info(LOCKS_STREAM);
  if (highest <= state.last_seq) return false;
  const lastRevision = await writeProbe(js);
  if (highest <= lastRevision) return false;
  const text = "The bucket locks has lost its newest revisions; raising them";
  observer.alarm(text, { lastRevision, highest });
  options.keepIncident({ kind: "raised", about: LOCKS_STREAM, text });
  await raiseLocks(options);
  return true;
}

/** Time without any write after which nobody holds a lock, ms. Each lease is renewed every fifth of its time to live. */
const REST_MS = 120_000;

/** How long nobody may have written for a bucket to be at rest. */
export interface RestedOptions {
  /** Default 120,000. */
  readonly restMs?: number;
  /** Time to live of the leases of who asks, ms. The bucket must have rested for twice as long. Default: 0. */
  readonly ttlMs?: number;
}

/**
 * Raises the bucket if nothing was written to it for two minutes, so that nobody holds a lock. Returns whether it did.
 *
 * For a process that starts. Where NATS and the database were restored to the same earlier moment, neither knows which tokens were given out
 * after it. The clock does.
 */
export async function raiseAfterRest(
  options: RaiseOptions & { readonly time: BrokerTime },
  { restMs = REST_MS, ttlMs = 0 }: RestedOptions = {},
): Promise<boolean> {
  const { last_seq: lastRevision, last_ts: lastAt } = (await options.jsm.streams.info(LOCKS_STREAM)).state;
  // A bucket that was just raised has the time in its revision, and no message.
  const usedAtMs = Math.max(Date.parse(lastAt), lastRevision / 1_000);
  if (!(await options.time.isPast(usedAtMs + Math.max(restMs, 2 * ttlMs)))) return false;
  await raiseLocks(options);
  return true;
}
