// Tested by libs/tasks/src/locks/tallies_test.ts
import type { Lock } from "../definition/lock_type.ts";
import type { Limit } from "../tally/plan.ts";
import { acquire, type Acquirer, type LockAnswer, type LockRequest } from "./acquire.ts";
import type { Tallies } from "./tallies.ts";
import { modeOf, type TallyWanted } from "./tally_wanted.ts";
import { openGate } from "./tally_lease.ts";
import type { TallyLines } from "./tally_lines.ts";
import type { Turn } from "./turns.ts";
import type { Waiter } from "./waiting_room.ts";

/** The parts with which one process takes locks of all kinds. */
export interface AllAcquirer {
  readonly acquirer: Acquirer;
  readonly tallies: Tallies;
  readonly lines: TallyLines;
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

type Taken =
  | { readonly kind: "taken"; readonly turns: Map<string, Turn> }
  | { readonly kind: "held"; readonly by: string };

async function takeTallies(
  { tallies, lines }: AllAcquirer,
  wanted: readonly TallyWanted[],
  request: Required<LockRequest>,
): Promise<Taken> {
  const { waiter } = request;
  const turns = new Map<string, Turn>();
  try {
    for (const each of wanted) {
      const { key } = each.lock;
      const turn = lines.lineUp(key, modeOf(each.lock), waiter) ? await tallies.take(each, request) : undefined;
      if (turn === undefined) {
        await Promise.all(Array.from(turns.values(), (taken) => taken.release()));
        return { kind: "held", by: key };
      }
      turns.set(key, turn);
      lines.took(key, waiter);
    }
  } catch (error) {
    await Promise.all(Array.from(turns.values(), (taken) => taken.release()));
    throw error;
  }
  return { kind: "taken", turns };
}

/**
 * Takes all of `locks` or none, in one fixed order: mutexes, read-write locks, concurrency limits, rates, and by key within each. So no
 * two tasks can wait for each other. Where a later one cannot be had, the quota of the earlier ones is given back.
 *
 * Mutexes alone are taken as ever. The waiter keeps its place where it was refused. Throws `LockUnknownError`.
 */
export async function acquireAll(all: AllAcquirer, locks: readonly Lock[], request: LockRequest): Promise<LockAnswer> {
  const { acquirer, lines } = all;
  const mutexes = locks.flatMap(({ kind, key }) => (kind === "mutex" ? [key] : []));
  if (mutexes.length === locks.length) {
    // It may stand in line for a limit that was lifted, and would go to sleep there.
    if (request.waiter?.tallyKeys !== undefined) lines.forget(request.waiter);
    return await acquire(acquirer, mutexes, request);
  }
  const waiter = request.waiter ?? { resume() {} };
  const wanted = tallyWants(all, locks);
  const held = (by: string): LockAnswer => {
    lines.foundHeld(by, waiter);
    acquirer.room.forget(waiter);
    if (request.waiter === undefined) lines.forget(waiter);
    return { kind: "held", by };
  };
  const busy = waitedFor(all, wanted, waiter);
  if (busy !== undefined) return held(busy);
  let turns: readonly Turn[] = [];
  try {
    const own = mutexes.length === 0 ? undefined : await acquire(acquirer, mutexes, request);
    if (own?.kind === "held") {
      lines.forget(waiter);
      return own;
    }
    turns = own?.leases ?? [];
    const taken = await takeTallies(all, wanted, { ...request, waiter });
    if (taken.kind === "held") {
      await Promise.all(turns.map((turn) => turn.release()));
      return held(taken.by);
    }
    lines.forget(waiter); // it may stand in line for a limit that was lifted
    const mutexTurns = turns[Symbol.iterator]();
    const leases = locks.map(({ kind, key }) => {
      if (kind === "mutex") return mutexTurns.next().value ?? openGate(key);
      return taken.turns.get(key) ?? openGate(key);
    });
    return { kind: "taken", leases };
  } catch (error) {
    lines.forget(waiter);
    await Promise.all(turns.map((turn) => turn.release()));
    throw error;
  }
}
