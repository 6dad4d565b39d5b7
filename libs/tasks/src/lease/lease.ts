import { isSilence } from "../broker/publish_surely.ts";
import type { Broker } from "../broker/broker.ts";
import { setTimeout as pause } from "node:timers/promises";
import { elapsedMs } from "./clocks.ts";
import type { LeaseState, LeaseWrite } from "./lease_state.ts";
import type { LockBucket, LockRecord } from "./lock_bucket.ts";
import type { KeptLease } from "./renewals.ts";

/** Aborts a lease's `signal`: its lock has lapsed or has another holder. The run is abandoned, and its task comes back. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
  readonly key: string;
  readonly fencingToken: number;
  constructor(key: string, fencingToken: number, reason: string) {
    super(
      `Cannot keep lock "${key}" with fencing token ${fencingToken}: ${reason}; the run is abandoned and its task comes back`,
    );
    this.key = key;
    this.fencingToken = fencingToken;
  }
}

/** Renews leases, even while the holder's own thread is busy. */
export interface LeaseKeeper {
  /**
   * Renews `lease` until the end that its state names, or until the returned function is called. `onLost` is called once, with the
   * reason, if the lease is lost.
   */
  keep(lease: KeptLease, onLost: (reason: string) => void): () => void;
}

/** A lock that is held until it is released. `await using` releases it. */
export interface Lease extends AsyncDisposable {
  readonly key: string;
  /** The random name of this hold. */
  readonly holder: string;
  /** The revision that began the lease. The database refuses a run whose token is smaller than one that it has seen. */
  readonly fencingToken: number;
  /** Aborts with {@linkcode LeaseLostError} when the lease is lost or its deadline has passed. */
  readonly signal: AbortSignal;
  /** The create or the last renewal. The broker's stored time of that revision shows how far its clock is from ours. */
  readonly lastWrite: LeaseWrite;
  /**
   * Throws {@linkcode LeaseLostError} once the lease is lost or past its deadline, and aborts `signal` then.
   *
   * Call it at the last moment before the fence is sent, and again before COMMIT, so that a process that was frozen comes here first
   * when it wakes. It sees renewals that were made while this thread was busy.
   */
  checkDeadline(): void;
  /**
   * Frees the lock for everyone. Call it once the transaction has certainly ended. Never throws, and may be called again.
   *
   * Settles after one round trip. Where the broker is silent, it settles within the TTL: the lock has then lapsed.
   */
  release(): Promise<void>;
}

/** A lock that was taken and becomes a lease. */
export interface TakenLock {
  readonly key: string;
  readonly record: LockRecord;
  readonly fencingToken: number;
  readonly state: LeaseState;
}

/**
 * Called when the lease was lost, and when it was released; for a lost lease twice. `mark` is the revision of the mark that freed the
 * lock. It is undefined where the lease was lost, and where the lock lapses.
 */
export type LeaseEnded = (mark: number | undefined) => void;

/** The parts of their process that leases need. */
export interface LeaseParts {
  readonly broker: Pick<Broker, "observer">;
  readonly bucket: LockBucket;
  readonly keeper: LeaseKeeper;
}

/** Pause before an unanswered release is tried again, ms. */
const PAUSE_MS = 250;

/** Frees the lock by compare-and-set, even if a renewal came between. Returns the mark's revision, or undefined if it was no longer ours. */
async function free(
  bucket: LockBucket,
  { key, record: { holder }, state: { ttlMs } }: TakenLock,
  revision: number,
): Promise<number | undefined> {
  for (let expected = revision; ; ) {
    const mark = await bucket.free(key, { expected, ttlMs });
    if (mark !== undefined) return mark;
    // Either a renewal on its way has moved the revision, or our first purge was stored and its answer was lost.
    const found = await bucket.read(key);
    if (found?.kind !== "taken" || found.holder !== holder) return undefined;
    expected = found.revision;
  }
}

/** Makes a lease from a lock that was just taken, and has it renewed. */
export function openLease({ broker, bucket, keeper }: LeaseParts, taken: TakenLock, onEnded: LeaseEnded): Lease {
  const { key, record, fencingToken, state } = taken;
  const lost = new AbortController();
  let released: Promise<void> | undefined;

  function lose(reason: string): LeaseLostError {
    state.end("lost");
    const error = new LeaseLostError(key, fencingToken, reason);
    if (!lost.signal.aborted) {
      lost.abort(error);
      onEnded(undefined);
    }
    return error;
  }

  const stopKeeping = keeper.keep({ key, record, ttlMs: state.ttlMs, shared: state.shared }, lose);

  async function letGo(): Promise<void> {
    state.end("letGo");
    stopKeeping();
    let mark: number | undefined;
    // After its TTL the lock has lapsed.
    while (elapsedMs(state.sent) < state.ttlMs) {
      try {
        mark = await free(bucket, taken, state.revision);
        break;
      } catch (cause) {
        if (!isSilence(cause)) {
          broker.observer.note(`Cannot free lock "${key}"; it lapses by itself`, { cause });
          break;
        }
        await pause(PAUSE_MS);
      }
    }
    onEnded(mark);
  }

  function release(): Promise<void> {
    released ??= letGo();
    return released;
  }

  return {
    key,
    holder: record.holder,
    fencingToken,
    signal: lost.signal,
    get lastWrite() {
      return state.lastWrite;
    },
    checkDeadline() {
      if (lost.signal.aborted) throw lost.signal.reason;
      if (!state.isHeld || state.isPastDeadline) throw lose("its deadline has passed");
    },
    release,
    [Symbol.asyncDispose]: release,
  };
}
