import type { Lease } from "../locks/lease.ts";
import type { Locks } from "../locks/locks.ts";
import type { Waiter } from "../locks/waiting_room.ts";

/** The lock that the leading scheduler holds. It spares the others work; that each occurrence is published once rests on the markers. */
export const LEADER_KEY = "scheduler.leader";

/** Waits asleep for its turn to try, or for `signal`. */
function waitForTurn(
  locks: Locks,
  waiter: Waiter & { turn: PromiseWithResolvers<void> },
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = waiter.turn;
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!locks.wait(waiter))
    throw new Error(
      `Cannot wait for lock "${LEADER_KEY}": the waiting room is full; open locks of its own for the scheduler`,
    );
  return promise;
}

/**
 * Takes the lead as soon as nobody has it: at once where it was let go, within its TTL and a second where its holder died.
 *
 * Answers undefined when `signal` aborts first. Throws what `tryAcquire` throws.
 */
export async function takeTheLead(locks: Locks, worker: string, signal: AbortSignal): Promise<Lease | undefined> {
  const waiter = {
    turn: Promise.withResolvers<void>(),
    resume() {
      waiter.turn.resolve();
    },
  };
  const request = { taskId: `scheduler/${worker}`, untilMs: Number.POSITIVE_INFINITY, waiter };
  while (!signal.aborted) {
    waiter.turn = Promise.withResolvers<void>();
    const answer = await locks.tryAcquire([LEADER_KEY], request);
    if (answer.kind === "held") {
      const [lease] = answer.leases;
      if (!signal.aborted) return lease;
      await lease?.release();
      return undefined;
    }
    await waitForTurn(locks, waiter, signal);
  }
  locks.forget(waiter);
  return undefined;
}
