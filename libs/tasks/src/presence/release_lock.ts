// Tested by tests/src/cli/lock_test.ts
import type { Broker } from "../broker/broker.ts";
import { openRequests } from "../broker/requests.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import { openLockBucket } from "../lease/lock_bucket.ts";
import { openTallyBucket } from "../books/tally_bucket.ts";
import { dropLease } from "../tally/grants.ts";
import { listLocks, lockOfKey, type ShownLease, type ShownLock } from "./list_locks.ts";

/** Number of attempts, each after a renewal came first. */
const TRIES = 10;
/** Time to live of the mark that a freed key leaves, ms. */
const MARK_MS = 15_000;
/** Shortest time to live of a tally that was changed, and the time by which it outlives its leases, ms. */
const TALLY_MS = 30_000;
const BEYOND_MS = 2_000;
const REQUEST_TIMEOUT_MS = 5_000;

/** A key that nobody holds cannot be released. */
export class NotHeldError extends Error {
  override readonly name = "NotHeldError";
  readonly key: string;
  constructor(key: string, holder: string | undefined) {
    const whose = holder === undefined ? "nobody holds it" : `no holder's name begins with ${JSON.stringify(holder)}`;
    super(`Cannot release ${JSON.stringify(key)}: ${whose}; see \`muster lock list\``);
    this.key = key;
  }
}

/** How a lock is released by hand. */
export interface ReleaseOptions {
  /** Beginning of a holder's name: only this lease. Default: all leases of the key. */
  readonly holder?: string | undefined;
}

/** What was released. */
export interface ReleasedLock {
  /** The key as it was listed before. */
  readonly lock: ShownLock;
  /** The leases that were taken away. */
  readonly leases: readonly ShownLease[];
}

/** Takes leases out of a tally, and empties the window of a rate. Returns false where a write came between. */
async function releaseTally(broker: Broker, { key, kind }: ShownLock, leases: readonly ShownLease[]): Promise<boolean> {
  const requests = openRequests(broker.nc, { timeoutMs: REQUEST_TIMEOUT_MS });
  const bucket = openTallyBucket(requests, broker.jsm);
  const { tally, revision } = await bucket.read(key, 0);
  if (tally === undefined) return false;
  const draft = { ...tally, by: `released ${revision}` };
  for (const { holder } of leases) dropLease(draft, holder);
  if (kind === "rate") draft.takes = [];
  const longest = Math.max(0, ...[...draft.leases, ...draft.waiting].map((each) => each.ttlMs));
  const ttlMs = Math.max(TALLY_MS, longest + BEYOND_MS);
  return (await bucket.write(key, { tally: draft, ttlMs, expected: revision })) !== undefined;
}

async function releaseKey(broker: Broker, { key, revision }: ShownLock): Promise<boolean> {
  const bucket = await openLockBucket(broker.nc);
  return (await bucket.free(key, { expected: revision, ttlMs: MARK_MS })) !== undefined;
}

function chosen({ leases }: ShownLock, holder: string | undefined): readonly ShownLease[] {
  return holder === undefined ? leases : leases.filter((lease) => lease.holder.startsWith(holder));
}

/**
 * Frees a key for those who wait. The runs that held it lose their leases: their signals abort at the next renewal, within a fifth of the time to
 * live. Under a mutex or a read-write lock, the database refuses their transactions once another one has begun there.
 *
 * Frees also what somebody has stored by hand. Throws {@linkcode NotHeldError}.
 */
export async function releaseLock(broker: Broker, key: string, { holder }: ReleaseOptions = {}): Promise<ReleasedLock> {
  for (let tries = 0; tries < TRIES; tries++) {
    const lock = lockOfKey(await listLocks(broker), key);
    if (lock === undefined || lock.revision === 0) throw new NotHeldError(key, undefined);
    const leases = chosen(lock, holder);
    if (holder !== undefined && leases.length === 0) throw new NotHeldError(key, holder);
    const { kind, revision } = lock;
    if (kind === "pattern") {
      await deleteStored(broker, "KV_locks", revision);
      return { lock, leases };
    }
    const isTally = kind === "rw" || kind === "rate" || kind === "concurrency";
    const isDone = isTally ? await releaseTally(broker, lock, leases) : await releaseKey(broker, lock);
    if (isDone) return { lock, leases };
  }
  throw new Error(`Cannot release ${JSON.stringify(key)}: it was written ${TRIES} times meanwhile; try again`);
}
