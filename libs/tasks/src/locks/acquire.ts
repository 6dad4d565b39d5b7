import { randomUUID } from "node:crypto";
import { type LeaseKeeper, openLease } from "./lease.ts";
import { LeaseSlot } from "./lease_slot.ts";
import type { Marks } from "./marks.ts";
import { type Taker, takeLock } from "./take.ts";
import type { Turn, Turns } from "./turns.ts";
import type { Waiter, WaitingRoom } from "./waiting_room.ts";

export interface LockRequest {
  readonly taskId: string;
  /** Renewing stops at this moment of `performance.now()`, ms: the task's timeout. Infinity: renewed as long as it is held. */
  readonly untilMs: number;
  /** Who waits where a lock is busy. Without it nobody lines up, and a busy lock is just the answer. */
  readonly waiter?: Waiter;
}

export type LockAnswer =
  /** All are held; in the order asked for. */
  | { readonly kind: "held"; readonly leases: readonly Turn[] }
  /** None is held; the lock `by` is busy. The waiter keeps its place in that line: call `wait` or `forget` now. */
  | { readonly kind: "blocked"; readonly by: string };

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

/** Takes one lock for a waiter that is first in its line. Undefined: it is busy, and the waiter keeps its place. */
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
    room.refused(key, waiter);
    return undefined;
  }
  const record = { holder: randomUUID(), worker, taskId, since: new Date().toISOString() };
  const answer = await takeLock(acquirer, { key, record, ttlMs, mark: marks.of(key) });
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
  const taken = { key, record, fencingToken, slot };
  const lease = openLease(acquirer, taken, (mark) => onEnded(acquirer, key, { holder: record.holder, mark }));
  return turns.begin({ lease, slot, takenAtMs: performance.now() }, untilMs);
}

/** Takes all of `keys` or none. Throws `LockUnknownError` when nobody answers; the waiter has left its lines then. */
export async function acquire(acquirer: Acquirer, keys: readonly string[], request: LockRequest): Promise<LockAnswer> {
  const { room } = acquirer;
  const waiter = request.waiter ?? { resume() {} };
  const taken = new Map<string, Turn>();
  const letGoOfAll = () => Promise.all(Array.from(taken.values(), (lease) => lease.release()));
  try {
    // One after the other in one order for all: whoever holds the first of two contested locks is never kept from the second by
    // someone who waits for the first. Sent at once, two tasks could each get one lock and refuse each other for ever.
    for (const key of [...new Set(keys)].sort()) {
      const lease = await acquireOne(acquirer, key, { ...request, waiter });
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
