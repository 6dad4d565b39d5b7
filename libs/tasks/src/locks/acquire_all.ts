// Tested by libs/tasks/src/locks/tallies_test.ts
import type { Lock } from "../definition/lock_type.ts";
import type { Limit } from "../tally/plan.ts";
import { acquire, type Acquirer, type LockAnswer, type LockRequest, type WaitingRequest } from "./acquire.ts";
import type { KeptLock, KeptLocks } from "./kept_locks.ts";
import type { Tallies } from "./tallies.ts";
import { isReadWrite, modeOf, type TallyWanted } from "./tally_wanted.ts";
import { openGate } from "./tally_lease.ts";
import type { TallyLines } from "./tally_lines.ts";
import type { Waiter } from "./waiting_room.ts";

/** The parts with which one process takes locks of all kinds. */
export interface AllAcquirer {
  readonly acquirer: Acquirer;
  readonly tallies: Tallies;
  readonly lines: TallyLines;
  readonly kept: KeptLocks;
  /** Returns the limit in force; undefined: there is none, so that the limiter is passed without a question. */
  limitOf(lock: Extract<Lock, { kind: "rate" | "concurrency" }>): Limit;
}

/** The order of the kinds. What is scarce by intention comes last, so that nobody keeps it while he waits for a lock. */
const ORDER: Readonly<Record<Lock["kind"], number>> = { mutex: 0, exclusive: 1, shared: 1, concurrency: 2, rate: 3 };

function inOrder(a: TallyWanted, b: TallyWanted): number {
  const byKind = ORDER[a.lock.kind] - ORDER[b.lock.kind];
  if (byKind !== 0 || a.lock.key === b.lock.key) return byKind;
  return a.lock.key < b.lock.key ? -1 : 1;
}

/** The tallies that are really wanted: one for each key, and the writer's side where both sides are named. */
function tallyWants(all: AllAcquirer, locks: readonly Lock[]): readonly TallyWanted[] {
  const wanted = new Map<string, TallyWanted>();
  for (const lock of locks) {
    if (lock.kind === "mutex") continue;
    const isLimiter = lock.kind === "rate" || lock.kind === "concurrency";
    const limit = isLimiter ? all.limitOf(lock) : undefined;
    if (isLimiter && limit === undefined) continue;
    if (wanted.get(lock.key)?.lock.kind !== "exclusive") wanted.set(lock.key, { lock, limit });
  }
  return [...wanted.values()].sort(inOrder);
}

/** The tally at which others of this process wait already, so that nothing needs to be asked. The waiter lines up there. */
function waitedFor({ lines }: AllAcquirer, wanted: readonly TallyWanted[], waiter: Waiter): string | undefined {
  const busy = wanted.find(({ lock: { key } }) => lines.count(key) > 0 && waiter.tallyKeys?.has(key) !== true);
  if (busy === undefined || lines.lineUp(busy.lock.key, modeOf(busy.lock), waiter)) return undefined;
  return busy.lock.key;
}

/** The turns that a request has, in the order in which it took them. */
type Turns = Map<string, KeptLock>;

function releaseAll(locks: Iterable<KeptLock>): Promise<unknown> {
  return Promise.all(Array.from(locks, ({ turn }) => turn.release()));
}

/** Takes the mutexes that are missing. Returns the key of one that others hold. */
async function takeMutexes(
  { acquirer, lines }: AllAcquirer,
  keys: readonly string[],
  { turns, isPatient, request }: { turns: Turns; isPatient: boolean; request: LockRequest },
): Promise<string | undefined> {
  const missing = keys.filter((key) => !turns.has(key));
  // Who keeps what it holds takes them one by one, in order.
  const steps = isPatient ? missing.map((key) => [key]) : missing.length === 0 ? [] : [missing];
  for (const step of steps) {
    const own = await acquire(acquirer, step, request);
    if (own.kind === "held") {
      if (request.waiter !== undefined) lines.forget(request.waiter);
      return own.by;
    }
    for (const turn of own.leases) turns.set(turn.key, { kind: "mutex", turn });
  }
  return undefined;
}

/** Takes the parts of tallies that are missing. Returns the one that cannot be had. */
async function takeTallies(
  { tallies, lines }: AllAcquirer,
  wanted: readonly TallyWanted[],
  { turns, request }: { turns: Turns; request: WaitingRequest },
): Promise<TallyWanted | undefined> {
  const { waiter } = request;
  for (const each of wanted) {
    const { key, kind } = each.lock;
    if (turns.has(key)) continue;
    const turn = lines.lineUp(key, modeOf(each.lock), waiter) ? await tallies.take(each, request) : undefined;
    if (turn === undefined) return each;
    turns.set(key, { kind, turn });
    lines.took(key, waiter);
  }
  return undefined;
}

/**
 * Takes all of `locks` or none, in one fixed order: mutexes, read-write locks, concurrency limits, rates, and by key within each. So no
 * two tasks can wait for each other. Where a later one cannot be had, the quota of the earlier ones is given back.
 *
 * A waiter of read-write locks that has waited for some time keeps the locks that it holds. A limiter may be reached for hours, so only
 * who was overtaken keeps something for that: see `KeptLocks`. Mutexes alone are taken as ever. The waiter keeps its place where it was
 * refused. Throws `LockUnknownError`.
 */
export async function acquireAll(all: AllAcquirer, locks: readonly Lock[], request: LockRequest): Promise<LockAnswer> {
  const { acquirer, lines, kept } = all;
  const mutexes = locks.flatMap(({ kind, key }) => (kind === "mutex" ? [key] : []));
  if (mutexes.length === locks.length) {
    // It may stand in line for a limit that was lifted, and would go to sleep there.
    if (request.waiter?.tallyKeys !== undefined) lines.forget(request.waiter);
    if (request.waiter?.kept !== undefined) kept.forget(request.waiter);
    return await acquire(acquirer, mutexes, request);
  }
  const waiter = request.waiter ?? { resume() {} };
  lines.begins(waiter);
  const wanted = tallyWants(all, locks);
  const keys = [...new Set(mutexes)].sort();
  const isOvertaken = kept.isOvertaken(waiter);
  const isPatient = kept.isPatient(waiter) && (isOvertaken || wanted.some(isReadWrite));
  const order = [...keys.map((key) => ({ kind: "mutex", key }) as const), ...wanted.map(({ lock }) => lock)];
  const turns: Turns = new Map();
  const refused = async (by: string, keeps: boolean): Promise<LockAnswer> => {
    kept.noteRefused(
      waiter,
      order.findIndex(({ key }) => key === by),
    );
    // The quota of a rate is for a task that begins now. It is the last in the order, so the first part is kept all the same.
    const keepable = [...turns.values()].filter(({ kind }) => keeps && kind !== "rate");
    const { length } = keepable;
    const untilMs = request.waitsUntilMs ?? Number.POSITIVE_INFINITY;
    const refuser = order.find(({ key }) => key === by)?.kind;
    if (length > 0 && (refuser === "rate" || refuser === "concurrency")) kept.keepForLimit(waiter, keepable, untilMs);
    else if (length > 0) kept.keep(waiter, keepable, untilMs);
    await releaseAll([...turns.values()].slice(length));
    return { kind: "held", by };
  };
  const refusedByTally = (by: string, keeps: boolean): Promise<LockAnswer> => {
    lines.foundHeld(by, waiter);
    acquirer.room.forget(waiter);
    if (request.waiter === undefined) lines.forget(waiter);
    return refused(by, keeps);
  };
  try {
    if (waiter.kept !== undefined) {
      for (const lock of await kept.takeUp(waiter, order, request.untilMs)) turns.set(lock.turn.key, lock);
    }
    // Who keeps what it holds goes by the order alone.
    const busy = isPatient ? undefined : waitedFor(all, wanted, waiter);
    if (busy !== undefined) return await refusedByTally(busy, false);
    const heldMutex = await takeMutexes(all, keys, { turns, isPatient, request });
    if (heldMutex !== undefined) return await refused(heldMutex, isPatient);
    const heldTally = await takeTallies(all, wanted, { turns, request: { ...request, waiter } });
    if (heldTally !== undefined) {
      return await refusedByTally(heldTally.lock.key, isPatient && (isOvertaken || isReadWrite(heldTally)));
    }
    lines.forget(waiter); // it may stand in line for a limit that was lifted
    return { kind: "taken", leases: locks.map(({ key }) => turns.get(key)?.turn ?? openGate(key)) };
  } catch (error) {
    lines.forget(waiter);
    await releaseAll(turns.values());
    throw error;
  }
}
