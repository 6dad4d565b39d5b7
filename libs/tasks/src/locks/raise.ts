import type { JetStreamManager } from "@nats-io/jetstream";
import type { Observer } from "../wire/observer.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

/**
 * No fencing token is smaller. A raised bucket counts on from the time in microseconds, some 1.8e15, so a smaller revision
 * comes from a bucket that was created anew and not yet raised.
 */
export const LOWEST_TOKEN = 1e15;
/** How far beyond the highest fencing token in the database a raise goes, for those given out and not yet stored there. */
const HEADROOM = 1e9;

export interface RaiseOptions {
  readonly jsm: JetStreamManager;
  readonly observer: Observer;
  /** The highest revision in `lock_fence`; absent where there is no database. */
  readonly highestFence?: (() => Promise<number>) | undefined;
}

/**
 * Lifts the next revision of the bucket `locks` above every fencing token given out so far, and frees every lock in it.
 *
 * A bucket that was deleted or restored counts from a lower revision again: its tokens would be refused by the database, or be
 * given out twice. Watchers live on, and holders find at their next renewal that they have lost. Raising twice is harmless.
 * Answers the next revision.
 */
export async function raiseLocks({ jsm, observer, highestFence }: RaiseOptions): Promise<number> {
  let highest = 0;
  try {
    highest = (await highestFence?.()) ?? 0;
  } catch (cause) {
    // The clock alone is above all tokens but those given out while a clock was ahead; these the database refuses later on.
    observer.alarm("Cannot read the highest fencing token; the locks are raised by the clock alone", { cause });
  }
  // The lowest token is for a machine whose clock has not been set.
  const seq = Math.max(Date.now() * 1_000, highest + HEADROOM, LOWEST_TOKEN);
  await jsm.streams.purge(LOCKS_STREAM, { seq });
  observer.note("Raised the revisions of the bucket locks, which freed every lock", { nextRevision: seq });
  return seq;
}

/**
 * Raises the bucket if the database has stored a fencing token above the bucket's last revision, and answers whether it had.
 *
 * For whoever was refused by the fence although nobody else holds the lock: the bucket has lost its newest revisions.
 */
export async function raiseIfBehind(
  options: RaiseOptions & { readonly highestFence: () => Promise<number> },
): Promise<boolean> {
  const { state } = await options.jsm.streams.info(LOCKS_STREAM);
  if ((await options.highestFence()) <= state.last_seq) return false;
  options.observer.alarm("The bucket locks has lost its newest revisions; raising them", {
    lastRevision: state.last_seq,
  });
  await raiseLocks(options);
  return true;
}
