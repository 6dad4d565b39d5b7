import type { Lease } from "../locks/lease.ts";
import type { Locks } from "../locks/locks.ts";
import type { Broker } from "../wire/broker.ts";

/** The lock that the leading scheduler holds. It spares the others work; that each occurrence is published once rests on the markers. */
export const LEADER_KEY = "scheduler.leader";

/** The waiting room has no place for this scheduler: its locks are shared with too many tasks. */
const FULL = `Cannot wait for lock "${LEADER_KEY}": the waiting room is full; open locks of its own for the scheduler`;

/**
 * Takes the lead as soon as nobody has it: at once where it was let go, within its TTL and a second where its holder died.
 *
 * Answers undefined when `signal` aborts first. Throws what `tryAcquire` throws.
 */
export async function takeTheLead(locks: Locks, worker: string, signal: AbortSignal): Promise<Lease | undefined> {
  let turn = Promise.withResolvers<void>();
  const waiter = { resume: () => turn.resolve() };
  const onAbort = () => turn.resolve();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      turn = Promise.withResolvers<void>();
      const request = { taskId: `scheduler/${worker}`, untilMs: Number.POSITIVE_INFINITY, waiter };
      const answer = await locks.tryAcquire([LEADER_KEY], request);
      if (answer.kind === "held") return answer.leases[0];
      if (!locks.wait(waiter)) throw new Error(FULL);
      // An abort while we asked has resolved this turn already.
      await turn.promise;
    }
    return undefined;
  } finally {
    signal.removeEventListener("abort", onAbort);
    locks.forget(waiter);
  }
}

/** Who leads now by the word of the lock, or undefined: nobody does. For people. */
export async function findLeader({ buckets }: Pick<Broker, "buckets">): Promise<string | undefined> {
  const entry = await buckets.locks.get(LEADER_KEY);
  if (entry === null || entry.operation !== "PUT") return undefined;
  return entry.json<{ worker: string }>().worker;
}
