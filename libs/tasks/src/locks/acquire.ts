// Tested by libs/tasks/src/locks/locks_test.ts
import { randomUUID } from "node:crypto";
import { type LeaseKeeper, openLease } from "./lease.ts";
import { LeaseState } from "./lease_state.ts";
import type { Marks } from "./marks.ts";
import { type Taker, takeLock } from "./take.ts";
import type { Turn, Turns } from "./turns.ts";
import type { Waiter, WaitingRoom } from "./waiting_room.ts";

export interface LockRequest {
  readonly taskId: string;
  /** Renewing stops at this moment of `performance.now()`, ms: the task's timeout. Infinity: renewed as long as it is held. */
  readonly untilMs: number;
  /** Who waits where a lock is held. Without it nobody lines up, and the call only says that it is held. */
  readonly waiter?: Waiter;
}

export type LockAnswer =
  /** All are ours now; in the order asked for. */
  | { readonly kind: "taken"; readonly leases: readonly Turn[] }
  /** None is ours; somebody else holds the lock `by`. The waiter keeps its place in that line: call `wait` or `forget` now. */
  | { readonly kind: "held"; readonly by: string };

/** What one process takes its locks with. */
export interface Acquirer extends Taker {
  readonly keeper: LeaseKeeper;
  readonly worker: string;
  readonly ttlMs: number;
  readonly room: WaitingRoom;
  readonly turns: Turns;
  readonly marks: Marks;
  /** The holder of each lock that this process has. */
  readonly ours: Map<string, string>;
}

/** A lease has ended: whoever is first in line for its lock may try. */
function onEnded(
  { ours, room, marks }: Acquirer,
  key: string,
  ended: { holder: string; mark: number | undefined },
): void {
  if (ours.get(key) === ended.holder) ours.delete(key);
  if (ended.mark === undefined) {
    room.wake(key);
  } else {
    marks.note(key, ended.mark);
    room.freed(key, ended.mark);
  }
}

/** Takes one lock for a waiter that is first in its line. Undefined: it is held, and the waiter keeps its place. */
async function acquireOne(acquirer: Acquirer, key: string, request: Required<LockRequest>): Promise<Turn | undefined> {
  const { room, turns, marks, ours, worker, ttlMs } = acquirer;
  const { waiter, taskId, untilMs } = request;
  const isFirst = room.lineUp(key, waiter);
  const handedOn = isFirst ? turns.takeUp(key, untilMs) : undefined;
  if (handedOn !== undefined) {
    room.took(key, waiter, handedOn.fencingToken);
    return handedOn;
  }
  if (!isFirst || ours.has(key)) {
    room.foundHeld(key, waiter);
    return undefined;
  }
  const record = { holder: randomUUID(), worker, taskId, since: new Date().toISOString() };
  const answer = await takeLock(acquirer, { key, record, ttlMs, mark: marks.of(key) });
  marks.forget(key);
  if (answer.kind === "held") {
    room.foundHeld(key, waiter, answer.ttlMs);
    return undefined;
  }
  const { fencingToken, sent } = answer;
  const state = new LeaseState(ttlMs);
  state.noteWrite(fencingToken, sent);
  ours.set(key, record.holder);
  room.took(key, waiter, fencingToken);
  const taken = { key, record, fencingToken, state };
  const lease = openLease(acquirer, taken, (mark) => onEnded(acquirer, key, { holder: record.holder, mark }));
  return turns.begin({ lease, state, takenAtMs: performance.now() }, untilMs);
}

type Taken = ReadonlyMap<string, Turn>;

function releaseAll(turns: Iterable<Turn>): Promise<unknown> {
  return Promise.all(Array.from(turns, (turn) => turn.release()));
}

/**
 * Takes all of `keys` in the time of one, or none: then somebody else has one of them. For a task that meets nobody of its own
 * process there; it stands in no line afterwards.
 */
async function acquireTogether(
  acquirer: Acquirer,
  keys: readonly string[],
  request: LockRequest,
): Promise<Taken | undefined> {
  const taken = new Map<string, Turn>();
  const tries = keys.map(async (key) => {
    const waiter = { resume() {} };
    try {
      const turn = await acquireOne(acquirer, key, { ...request, waiter });
      if (turn !== undefined) taken.set(key, turn);
    } finally {
      acquirer.room.forget(waiter);
    }
  });
  const failure = (await Promise.allSettled(tries)).find(({ status }) => status === "rejected");
  if (failure === undefined && taken.size === keys.length) return taken;
  await releaseAll(taken.values());
  if (failure?.status === "rejected") throw failure.reason;
  return undefined;
}

/**
 * Takes all of `keys`, one after the other, or returns which one is held by others; the waiter keeps its place in that line.
 *
 * In one order for all: whoever holds the first of two contested locks is never kept from the second by someone who waits for the
 * first. Sent at once each time, two tasks could each get one lock and keep the other from its second for ever.
 */
async function acquireInOrder(
  acquirer: Acquirer,
  keys: readonly string[],
  request: Required<LockRequest>,
): Promise<Taken | { readonly by: string }> {
  const taken = new Map<string, Turn>();
  try {
    for (const key of keys) {
      const turn = await acquireOne(acquirer, key, request);
      if (turn === undefined) {
        await releaseAll(taken.values());
        return { by: key };
      }
      taken.set(key, turn);
    }
  } catch (error) {
    acquirer.room.forget(request.waiter);
    await releaseAll(taken.values());
    throw error;
  }
  return taken;
}

/** Takes all of `keys` or none. Throws `LockUnknownError` when nobody answers; the waiter has left its lines then. */
export async function acquire(acquirer: Acquirer, keys: readonly string[], request: LockRequest): Promise<LockAnswer> {
  const { room, ours } = acquirer;
  const sorted = [...new Set(keys)].sort();
  const meetsNobody = sorted.every((key) => room.waiting(key) === 0 && !ours.has(key));
  const together = sorted.length > 1 && meetsNobody ? await acquireTogether(acquirer, sorted, request) : undefined;
  const waiter = request.waiter ?? { resume() {} };
  const taken = together ?? (await acquireInOrder(acquirer, sorted, { ...request, waiter }));
  if ("by" in taken) {
    if (request.waiter === undefined) room.forget(waiter);
    return { kind: "held", by: taken.by };
  }
  return { kind: "taken", leases: keys.flatMap((key) => taken.get(key) ?? []) };
}
