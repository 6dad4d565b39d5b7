import { randomUUID } from "node:crypto";
import type { Broker } from "../wire/broker.ts";
import { asSharedMs } from "./clocks.ts";
import { openFreedWatch } from "./freed_watch.ts";
import { type Lease, type LeaseEnded, type LeaseKeeper, openLease } from "./lease.ts";
import { LeaseSlot, SAFETY_MS } from "./lease_slot.ts";
import { openLockBucket } from "./lock_bucket.ts";
import { Marks } from "./marks.ts";
import { raiseIfBehind, raiseLocks } from "./raise.ts";
import { takeLock } from "./take.ts";
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
  /** The highest fencing token in the database; the bucket is raised above it when it has lost its revisions. */
  readonly highestFence?: () => Promise<number>;
}

export interface LockRequest {
  readonly taskId: string;
  /** Renewing stops at this moment of `performance.now()`, ms: the task's timeout. Infinity: renewed as long as it is held. */
  readonly untilMs: number;
  /** Who waits where a lock is busy. Without it nobody lines up, and a busy lock is just the answer. */
  readonly waiter?: Waiter;
}

export type LockAnswer =
  /** All are held; in the order asked for. */
  | { readonly kind: "held"; readonly leases: readonly Lease[] }
  /** None is held; the lock `by` is busy. The waiter keeps its place in that line: call `wait` or `forget` now. */
  | { readonly kind: "blocked"; readonly by: string };

/**
 * The locks of the grid, as one process takes them.
 *
 * All are mutexes so far. A key's line, its record and its lease say nothing of the kind of lock, so that read-write locks and
 * limiters need another way to take and free, beside `take.ts`, and no other line.
 */
export interface Locks extends AsyncDisposable {
  /**
   * Takes all of `keys`, or none. One round trip a key where they are free; a key that others of this process wait for, or hold, is
   * busy without one. Contention is an answer, and no error. Throws `LockUnknownError` after 10 s without an answer: none is
   * held then for all we know, and the waiter has left its lines.
   */
  tryAcquire(keys: readonly string[], request: LockRequest): Promise<LockAnswer>;
  /**
   * Puts a blocked waiter to sleep until it is its turn to try again: milliseconds after the release, in order of arrival, and
   * a second after the holder's TTL at the latest. False where the room is full: the task goes back to the broker.
   */
  wait(waiter: Waiter): boolean;
  /** The waiter does not want its locks any more. Harmless for one that is not waiting. */
  forget(waiter: Waiter): void;
  /** Waiters in line for `key`. */
  waiting(key: string): number;
  /** For a run that the fence refused: raises the bucket if the database has seen tokens beyond it, and answers whether it had. */
  raiseIfBehind(): Promise<boolean>;
}

/** Opens the locks on the broker's connection. Leases outlive it until they are released. */
export async function openLocks(options: LocksOptions): Promise<Locks> {
  const {
    broker,
    keeper,
    worker,
    ttlMs = 15_000,
    room: limits = { perProcess: 1_000, perKey: 64 },
    highestFence,
  } = options;
  if (!(ttlMs >= 2 * SAFETY_MS))
    throw new RangeError(`Cannot open locks with a TTL of ${ttlMs} ms: give ${2 * SAFETY_MS} or more`);
  const { jsm, observer } = broker;
  const bucket = await openLockBucket(broker.nc);
  const room = new WaitingRoom(ttlMs, limits);
  const marks = new Marks();
  /** The holder of each lock that this process has. */
  const ours = new Map<string, string>();

  let raising: Promise<unknown> | undefined;
  function raise(): Promise<unknown> {
    raising ??= raiseLocks({ jsm, observer, highestFence }).finally(() => {
      raising = undefined;
    });
    return raising;
  }

  const watch = openFreedWatch({
    broker,
    isNeeded: () => room.asleep > 0,
    onFreed(key, revision) {
      if (room.waiting(key) === 0) return;
      marks.note(key, revision);
      room.freed(key, revision);
    },
    onOpened: () => room.wakeAll(),
  });

  const onEnded: LeaseEnded = (key, holder, mark) => {
    if (ours.get(key) === holder) ours.delete(key);
    if (mark === undefined) return room.wake(key);
    marks.note(key, mark);
    room.freed(key, mark);
  };

  async function take(key: string, waiter: Waiter, { taskId, untilMs }: LockRequest): Promise<Lease | undefined> {
    if (!room.lineUp(key, waiter) || ours.has(key)) {
      room.refused(key, waiter);
      return undefined;
    }
    const record = { holder: randomUUID(), worker, taskId, since: new Date().toISOString() };
    const answer = await takeLock({ broker, bucket, raise }, { key, record, ttlMs, mark: marks.of(key) });
    marks.forget(key);
    if (answer.kind === "busy") {
      room.refused(key, waiter, answer.ttlMs);
      return undefined;
    }
    const { fencingToken, sent } = answer;
    const slot = new LeaseSlot(ttlMs);
    slot.noteWrite(fencingToken, sent);
    ours.set(key, record.holder);
    room.took(key, waiter, fencingToken);
    return openLease(
      { bucket, keeper, observer },
      { key, record, fencingToken, slot, untilMs: asSharedMs(untilMs) },
      onEnded,
    );
  }

  async function tryAcquire(keys: readonly string[], request: LockRequest): Promise<LockAnswer> {
    const waiter = request.waiter ?? { resume() {} };
    const taken = new Map<string, Lease>();
    const letGoOfAll = () => Promise.all(Array.from(taken.values(), (lease) => lease.release()));
    try {
      // One after the other in one order for all: whoever holds the first of two contested locks is never kept from the second by
      // someone who waits for the first. Sent at once, two tasks could each get one lock and refuse each other for ever.
      for (const key of [...new Set(keys)].sort()) {
        const lease = await take(key, waiter, request);
        if (lease === undefined) {
          await letGoOfAll();
          if (request.waiter === undefined) room.forget(waiter);
          return { kind: "blocked", by: key };
        }
        taken.set(key, lease);
      }
    } catch (error) {
      room.forget(waiter);
      await letGoOfAll();
      throw error;
    }
    return { kind: "held", leases: keys.flatMap((key) => taken.get(key) ?? []) };
  }

  return {
    tryAcquire,
    wait(waiter) {
      if (!room.sleep(waiter)) return false;
      watch.need();
      return true;
    },
    forget: (waiter) => room.forget(waiter),
    waiting: (key) => room.waiting(key),
    async raiseIfBehind() {
      return highestFence === undefined ? false : await raiseIfBehind({ jsm, observer, highestFence });
    },
    async [Symbol.asyncDispose]() {
      room.close();
      await watch[Symbol.asyncDispose]();
    },
  };
}
