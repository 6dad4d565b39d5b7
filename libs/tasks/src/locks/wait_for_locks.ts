import { createBell, LONGEST_SLEEP_MS } from "../connection/bell.ts";
import type { Lease } from "./lease.ts";
import type { Locks } from "./locks.ts";

export interface LocksWanted {
  readonly keys: readonly string[];
  readonly taskId: string;
  /** Renewing stops so long after the locks were asked for, ms: the longest run, and the grace after it. */
  readonly holdMs: number;
  /** Gives up waiting. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Waits until all of `keys` are held. For whoever has nothing else to do meanwhile; a worker's tasks wait in its own loop.
 *
 * Throws the reason of `signal`, `LockUnknownError` when nobody answers, and an `Error` where the waiting room is full. The waiter has
 * left its lines then.
 */
export async function waitForLocks(
  locks: Pick<Locks, "tryAcquire" | "wait" | "forget">,
  { keys, taskId, holdMs, signal = new AbortController().signal }: LocksWanted,
): Promise<readonly Lease[]> {
  // A bell that is rung before the sleep ends it, and so does a signal that was aborted before: neither is missed between the two.
  const bell = createBell();
  const waiter = { resume: () => bell.ring() };
  try {
    for (;;) {
      signal.throwIfAborted();
      const taken = await locks.tryAcquire(keys, { taskId, untilMs: performance.now() + holdMs, waiter });
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
