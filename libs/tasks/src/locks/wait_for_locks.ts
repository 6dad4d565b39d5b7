import { createBell, LONGEST_SLEEP_MS } from "../connection/bell.ts";
import type { Lock } from "../definition/lock_type.ts";
import type { Turn } from "./turns.ts";
import type { Locks } from "./locks.ts";

export interface LocksWanted {
  readonly wanted: readonly Lock[];
  readonly taskId: string;
  /** Time after the request for which the locks are renewed, ms: the longest run, and the grace after it. */
  readonly holdMs: number;
  /** Its abort ends the wait. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Waits until all of `wanted` are ours. It is for callers that have nothing else to do meanwhile. A worker's tasks wait in its own loop.
 *
 * Throws the reason of `signal`, `LockUnknownError` when nobody answers, and an `Error` where the waiting room is full. The waiter has
 * left its lines then.
 */
export async function waitForLocks(
  locks: Pick<Locks, "tryAcquireAll" | "wait" | "forget">,
  { wanted, taskId, holdMs, signal = new AbortController().signal }: LocksWanted,
): Promise<readonly Turn[]> {
  // A bell that rang before the sleep ends it at once, and so does a signal that aborted before. Neither is missed in between.
  const bell = createBell();
  const waiter = { resume: () => bell.ring() };
  try {
    for (;;) {
      signal.throwIfAborted();
      const taken = await locks.tryAcquireAll(wanted, { taskId, untilMs: performance.now() + holdMs, waiter });
      if (taken.kind === "taken") return taken.leases;
      if (!locks.wait(waiter)) {
        throw new Error(`Cannot wait for lock "${taken.by}": the waiting room is full; try again later`);
      }
      await bell.sleep(LONGEST_SLEEP_MS, signal);
    }
  } finally {
    locks.forget(waiter);
  }
}
