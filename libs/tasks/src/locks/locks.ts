import type { Broker } from "../broker/broker.ts";
import { acquire, type LockAnswer, type LockRequest } from "./acquire.ts";
import { openFreedWatch } from "./freed_watch.ts";
import type { LeaseKeeper } from "./lease.ts";
import { SAFETY_MS } from "./lease_state.ts";
import { openLockBucket } from "./lock_bucket.ts";
import { Marks } from "./marks.ts";
import { raiseIfBehind, raiseLocks } from "./raise.ts";
import { Sightings } from "./sightings.ts";
import { Turns, type TurnTimes } from "./turns.ts";
import { type RoomLimits, type Waiter, WaitingRoom } from "./waiting_room.ts";

export interface LocksOptions {
  readonly broker: Broker;
  readonly keeper: LeaseKeeper;
  /** This process's name, shown in the lock's record. */
  readonly worker: string;
  /** A holder that vanished loses its locks after so long, ms; default 15,000, and no less on a cluster. At least 2,000. */
  readonly ttlMs?: number;
  /** Bounds of the waiting room; default 1,000 waiters, 64 a key. */
  readonly room?: RoomLimits;
  /** How its own tasks and other processes share a lock. */
  readonly turns?: Partial<TurnTimes>;
  /** The highest fencing token in the database; the bucket is raised above it when it has lost its revisions. */
  readonly highestFence?: () => Promise<number>;
}

/**
 * The locks of the grid, as one process takes them.
 *
 * All are mutexes so far. A key's line, its record and its lease say nothing of the kind of lock, so that read-write locks and
 * limiters need another way to take and to free, beside `take.ts`, and no other line.
 */
export interface Locks extends AsyncDisposable {
  /**
   * Takes all of `keys`, or none. One round trip a key where they are free; a key that others of this process wait for, or hold, is
   * held without one. That others hold one is an outcome, and no error. Throws `LockUnknownError` after 10 s without an answer: none is
   * held then for all we know, and the waiter has left its lines.
   */
  tryAcquire(keys: readonly string[], request: LockRequest): Promise<LockAnswer>;
  /**
   * Puts a waiter that found its lock held to sleep until it is its turn to try again: milliseconds after the release, in order of arrival, and
   * a second after the holder's TTL at the latest. False where the room is full: the task goes back to the broker.
   */
  wait(waiter: Waiter): boolean;
  /**
   * The waiter does not want its locks any more. A waiter that was resumed and does not try must be forgotten, or those behind
   * it wait for ever. Harmless for one that is not waiting.
   */
  forget(waiter: Waiter): void;
  /** Whether some line may be full, at no cost: then `fullAt` tells. */
  readonly mayBeFull: boolean;
  /** A key of these whose line has no place for the waiter, so that it need not try; undefined where there is none. */
  fullAt(keys: readonly string[], waiter: Waiter): string | undefined;
  /** Waiters in line for `key`. */
  waiting(key: string): number;
  /** For a run that the fence refused: raises the bucket if the database has seen tokens beyond it, and returns whether it had. */
  raiseIfBehind(): Promise<boolean>;
}

/**
 * Opens the locks on the broker's connection.
 *
 * Disposed of, it resumes nobody any more; leases live on until they are released. Throws `RangeError` for a TTL below 2 s.
 */
export async function openLocks(options: LocksOptions): Promise<Locks> {
  const { broker, keeper, worker, ttlMs = 15_000, room: limits = { perProcess: 1_000, perKey: 64 } } = options;
  if (!(ttlMs >= 2 * SAFETY_MS)) {
    throw new RangeError(`Cannot open locks with a TTL of ${ttlMs} ms: give ${2 * SAFETY_MS} or more`);
  }
  const { highestFence } = options;
  const { js, jsm, observer } = broker;
  const room = new WaitingRoom(ttlMs, limits);
  const marks = new Marks(ttlMs);

  let raising: Promise<unknown> | undefined;
  function raise(): Promise<unknown> {
    raising ??= raiseLocks({ jsm, observer, highestFence }).finally(() => {
      raising = undefined;
    });
    return raising;
  }

  const bucket = await openLockBucket(broker.nc, broker.outbox, broker.storage);
  const turns = new Turns(room, options.turns);
  const acquirer = {
    broker,
    bucket,
    keeper,
    worker,
    ttlMs,
    room,
    marks,
    sightings: new Sightings(),
    raise,
    turns,
    ours: new Map<string, string>(),
  };
  const watch = openFreedWatch({
    broker,
    isNeeded: () => room.asleep > 0,
    onFreed(key, revision) {
      marks.note(key, revision);
      room.heardFreed(key, revision);
    },
    onOpened: () => room.wakeAll(),
  });

  return {
    tryAcquire: (keys, request) => acquire(acquirer, keys, request),
    wait(waiter) {
      if (!room.sleep(waiter)) return false;
      watch.need();
      return true;
    },
    forget: (waiter) => room.forget(waiter),
    get mayBeFull() {
      return room.mayBeFull;
    },
    fullAt: (keys, waiter) => room.fullAt(keys, waiter),
    waiting: (key) => room.waiting(key),
    async raiseIfBehind() {
      return highestFence === undefined ? false : await raiseIfBehind({ js, jsm, observer, highestFence });
    },
    async [Symbol.asyncDispose]() {
      room.close();
      await turns.close();
      await watch[Symbol.asyncDispose]();
    },
  };
}
