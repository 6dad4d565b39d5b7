// Tested by libs/tasks/src/locks/locks_test.ts
import { randomUUID } from "node:crypto";
import { type LeaseKeeper, openLease } from "../lease/lease.ts";
import { LeaseState } from "../lease/lease_state.ts";
import type { Marks } from "../lease/marks.ts";
import { type Taker, takeLock } from "../lease/take.ts";
import type { Turn, Turns } from "./turns.ts";
import type { Waiter, WaitingRoom } from "./waiting_room.ts";

export interface LockRequest {
  readonly taskId: string;
  /** When renewing stops, by `performance.now()`, ms: the task's timeout. Infinity: it is renewed until it is released. */
  readonly untilMs: number;
  /** The waiter that lines up where a lock is held. Without one the call only says that the lock is held. */
  readonly waiter?: Waiter;
  /** When the waiter gives up, by `performance.now()`, ms. It keeps no lock for longer. Default: it waits until it is forgotten. */
  readonly waitsUntilMs?: number;
}

/** A request of somebody who lines up. */
export type WaitingRequest = LockRequest & { readonly waiter: Waiter };

export type LockAnswer =
  /** All locks are ours now, in the order of the keys. */
  | { readonly kind: "taken"; readonly leases: readonly Turn[] }
  /** No lock is ours, since another task holds the lock `by`. The waiter keeps its place in that line: call `wait` or `forget` now. */
  | { readonly kind: "held"; readonly by: string };

/** The parts with which one process takes its locks. */
export interface Acquirer extends Taker {
  readonly keeper: LeaseKeeper;
  readonly worker: string;
  readonly ttlMs: number;
  readonly room: WaitingRoom;
  readonly turns: Turns;
  readonly marks: Marks;
  /** The holder of each lock that this process has, by key. Only this file writes and reads it. */
  readonly ours: Map<string, string>;
}

/** A lease has ended. The first waiter in line for its lock may try. */
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

/** Takes one lock, if the waiter is first in its line. Returns undefined where the lock is held; the waiter keeps its place. */
async function acquireOne(acquirer: Acquirer, key: string, request: WaitingRequest): Promise<Turn | undefined> {
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
 * Takes all of `keys` in the time of one, or none where another task holds one of them. It is meant for a task that meets no other task
 * of its own process there. That task stands in no line afterwards.
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
 * Takes all of `keys`, one after the other, or returns the one that others hold. The waiter keeps its place in that line.
 *
 * All tasks use the same order. So the holder of the first of two contested locks never waits for the second because of a task that
 * waits for the first. If the requests were sent together, two tasks could each get one lock and keep the other from its second for
 * ever.
 */
async function acquireInOrder(
  acquirer: Acquirer,
  keys: readonly string[],
  request: WaitingRequest,
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

/** Takes all of `keys` or none. Throws `LockUnknownError` when nobody answers. The waiter has left its lines then. */
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
