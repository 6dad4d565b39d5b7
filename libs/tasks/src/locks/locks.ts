import type { Broker } from "../broker/broker.ts";
import type { Limiter, Lock } from "../definition/lock_type.ts";
import type { Limit } from "../tally/plan.ts";
import { acquire, type LockAnswer, type LockRequest } from "./acquire.ts";
import { acquireAll } from "./acquire_all.ts";
import type { BooksPort } from "../tally/book_messages.ts";
import { KeptLocks } from "./kept_locks.ts";
import { openFreedWatch } from "../lease/freed_watch.ts";
import type { LeaseKeeper } from "../lease/lease.ts";
import { SAFETY_MS } from "../lease/lease_state.ts";
import { openLockBucket } from "../lease/lock_bucket.ts";
import { Marks } from "../lease/marks.ts";
import { raiseLocks } from "../lease/raise.ts";
import { raiseWhereFallen } from "../lease/raise_where_fallen.ts";
import { Sightings } from "../lease/sightings.ts";
import { openTallies } from "./tallies.ts";
import { TallyLines } from "./tally_lines.ts";
import { Turns, type TurnTimes } from "./turns.ts";
import { type RoomLimits, type Waiter, WaitingRoom } from "./waiting_room.ts";

/** The limits in force, which may change at any time. */
export interface LimitSource {
  /** Undefined: it limits nothing now. */
  limitOf(limiter: Limiter): Limit;
  /** Calls `listener` when some limit has changed. */
  onChange(listener: () => void): void;
}

/** The number of tasks of one process that wait for a lock. */
export interface LockWaiting {
  readonly key: string;
  readonly count: number;
}

/** Largest number of keys of which a process tells who waits. */
const MOST_SHOWN = 50;

/** The limits that tasks state themselves. */
const STATED_LIMITS: LimitSource = { limitOf: statedLimit, onChange() {} };

/** The limit that the lock itself states. */
export function statedLimit(limiter: Limiter): Limit {
  if (limiter.kind === "rate") return limiter.rate === undefined ? undefined : { rate: limiter.rate };
  return limiter.concurrency === undefined ? undefined : { concurrency: limiter.concurrency };
}

function longestOf(lengths: readonly (readonly [key: string, count: number])[]): LockWaiting[] {
  const longest = lengths.toSorted(([, a], [, b]) => b - a).slice(0, MOST_SHOWN);
  return longest.map(([key, count]) => ({ key, count }));
}

/** Does `work` once for all who ask while it is being done. */
function oneAtATime(work: () => Promise<unknown>): () => Promise<unknown> {
  let working: Promise<unknown> | undefined;
  return () => {
    working ??= work().finally(() => {
      working = undefined;
    });
    return working;
  };
}

export interface LocksOptions {
  readonly broker: Broker;
  readonly keeper: LeaseKeeper & { readonly books: BooksPort };
  /** Default: the limits that tasks state themselves. */
  readonly limits?: LimitSource;
  /** The name of this process, shown in the lock's record. */
  readonly worker: string;
  /** Time after which a holder that vanished loses its locks, ms; default 15,000, at least 2,000. Use no less than 15,000 on a cluster. */
  readonly ttlMs?: number;
  /** Bounds of the waiting room; default 1,000 waiters, 64 for each key. */
  readonly room?: RoomLimits;
  /** How this process shares a lock among its own tasks and with other processes. */
  readonly turns?: Partial<TurnTimes>;
  /** Time after its first refusal from which a waiter of several read-write locks keeps what it holds, ms; default 2,000. */
  readonly keepAfterMs?: number;
  /** Longest time for which such a waiter keeps it while it waits for a limit, ms; default 5,000. */
  readonly keepForLimitMs?: number;
  /** Returns the highest fencing token in the database. The bucket is raised above it when it has lost its revisions. */
  readonly highestFence?: () => Promise<number>;
}

/**
 * The locks of the grid, as one process takes them.
 *
 * A mutex has a key of its own, which is taken, renewed and freed by itself. Read-write locks and limiters have a tally, which holds the
 * leases of many. `acquire_all.ts` joins the two.
 */
export interface Locks extends AsyncDisposable {
  /**
   * Takes all of `keys`, or none. It needs one round trip for each free key. It needs none for a key that other tasks of this process
   * hold or wait for: that one is held. A held lock is an outcome and no error. Throws `LockUnknownError` after 10 s without an answer.
   * As far as is known no lock is taken then, and the waiter has left its lines.
   */
  tryAcquire(keys: readonly string[], request: LockRequest): Promise<LockAnswer>;
  /**
   * Takes all of `locks`, or none, whatever their kinds. For mutexes alone it is `tryAcquire`. A limiter that cannot be passed is held, as a
   * lock is. A limiter without a limit costs nothing.
   */
  tryAcquireAll(locks: readonly Lock[], request: LockRequest): Promise<LockAnswer>;
  /**
   * Puts a waiter that found its lock held to sleep until it is its turn to try again. That is milliseconds after the release, in order
   * of arrival, and at the latest a second after the holder's TTL. Returns false where the room is full: the task goes back to the
   * broker.
   */
  wait(waiter: Waiter): boolean;
  /**
   * Takes the waiter out of all lines, and gives back what it has kept while it waited. A waiter that was resumed and does not try must be forgotten, since those behind it would wait for
   * ever. Harmless for one that is not waiting.
   */
  forget(waiter: Waiter): void;
  /** Whether some line may be full. It costs nothing; `fullAt` gives the exact answer. */
  readonly mayBeFull: boolean;
  /** Returns one of `keys` whose line has no place for the waiter, so that it need not try; undefined: there is none. */
  fullAt(keys: readonly string[], waiter: Waiter): string | undefined;
  /** Number of waiters in line for `key`. */
  waiting(key: string): number;
  /** The longest lines of this process, at most 50. */
  longestLines(): LockWaiting[];
  /** For a run that the fence refused: raises the bucket if the database has seen higher tokens, and returns whether it had. */
  raiseIfBehind(): Promise<boolean>;
}

/**
 * Opens the locks on the broker's connection.
 *
 * After it was disposed of, it resumes no waiter. Leases live on until they are released. Throws `RangeError` for a TTL below 2 s.
 */
export async function openLocks(options: LocksOptions): Promise<Locks> {
  const { broker, keeper, worker, ttlMs = 15_000, room: limits = { perProcess: 1_000, perKey: 64 } } = options;
  if (!(ttlMs >= 2 * SAFETY_MS)) {
    throw new RangeError(`Cannot open locks with a TTL of ${ttlMs} ms: give ${2 * SAFETY_MS} or more`);
  }
  const { highestFence, limits: inForce = STATED_LIMITS } = options;
  const { jsm, observer } = broker;
  const room = new WaitingRoom(ttlMs, limits);
  const marks = new Marks(ttlMs);

  const raise = oneAtATime(() => raiseLocks({ jsm, observer, highestFence }));
  const fences = await raiseWhereFallen(broker, { highestFence, ttlMs });
  const bucket = await openLockBucket(broker.nc, broker.outbox, broker.storage);
  const turns = new Turns(room, options.turns);
  const acquirer = {
    ...{ broker, bucket, keeper, worker, ttlMs, room, marks, raise, turns },
    sightings: new Sightings(),
    ours: new Map<string, string>(),
  };
  const lines = new TallyLines({
    limits,
    ttlMs,
    look: (key, revision) => keeper.books.post({ kind: "look", key, ...(revision === undefined ? {} : { revision }) }),
    sleeps: (key, mode, sleeps) => keeper.books.post({ kind: "line", key, mode, sleeps, worker, ttlMs }),
  });
  const tallies = openTallies({ broker, books: keeper.books, worker, ttlMs, lines, raise });
  const kept = new KeptLocks({ afterMs: options.keepAfterMs, forLimitMs: options.keepForLimitMs });
  const all = { acquirer, tallies, lines, kept, limitOf: (limiter: Limiter) => inForce.limitOf(limiter) };
  inForce.onChange(() => lines.wakeAll());
  const watch = openFreedWatch({
    broker,
    isNeeded: () => room.asleep + lines.asleep > 0,
    onChanged: (key, revision) => lines.heardChanged(key, revision),
    onFreed(key, revision) {
      lines.heardChanged(key, revision);
      marks.note(key, revision);
      room.heardFreed(key, revision);
    },
    onOpened() {
      room.wakeAll();
      lines.lookAll();
    },
  });

  return {
    tryAcquire: (keys, request) => acquire(acquirer, keys, request),
    tryAcquireAll: (locks, request) => acquireAll(all, locks, request),
    wait(waiter) {
      const sleeps = lines.sleep(waiter) ?? room.sleep(waiter);
      if (sleeps) watch.need();
      else kept.forget(waiter);
      return sleeps;
    },
    forget(waiter) {
      room.forget(waiter);
      lines.forget(waiter);
      kept.forget(waiter);
    },
    get mayBeFull() {
      return room.mayBeFull || lines.mayBeFull;
    },
    fullAt(keys, waiter) {
      const missing = kept.missing(keys, waiter);
      return room.fullAt(missing, waiter) ?? lines.fullAt(missing, waiter);
    },
    waiting: (key) => room.waiting(key) + lines.count(key),
    longestLines: () => longestOf([...room.lengths(), ...lines.lengths()]),
    raiseIfBehind: () => fences.raiseIfBehind(),
    async [Symbol.asyncDispose]() {
      fences[Symbol.dispose]();
      room.close();
      lines.close();
      await kept.close();
      await turns.close();
      await watch[Symbol.asyncDispose]();
    },
  };
}
