// Tested by tests/src/restore/restore_test.ts
// Tested by libs/tasks/src/lease/raise_test.ts
import type { Broker } from "../broker/broker.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { raiseAfterRest, raiseIfBehind } from "./raise.ts";

/** The comparison of the bucket of locks with the database. Disposing of it ends the looks. */
export interface FenceLook extends Disposable {
  /** Raises the bucket if the database has seen higher tokens, and returns whether it had. */
  raiseIfBehind(): Promise<boolean>;
}

/**
 * Raises the bucket of locks before this process takes a lock, if it was restored from a backup or nobody holds a lock in it. Looks again at
 * each reconnect. Otherwise tokens would be given out again that a frozen process may hold still.
 *
 * Without a database there is nothing to compare with.
 */
export async function raiseWhereFallen(
  broker: Broker,
  { highestFence, ttlMs }: { readonly highestFence: (() => Promise<number>) | undefined; readonly ttlMs: number },
): Promise<FenceLook> {
  if (highestFence === undefined) return { raiseIfBehind: async () => false, [Symbol.dispose]() {} };
  const look = () => raiseIfBehind({ ...broker, highestFence });
  async function lookSafely(isStart: boolean): Promise<void> {
    try {
      const isRaised = isStart && (await raiseAfterRest({ ...broker, highestFence }, { ttlMs }));
      if (!isRaised) await look();
    } catch (cause) {
      broker.observer.note("Cannot compare the bucket of locks with the database yet", { cause });
    }
  }
  await lookSafely(true);
  const stop = onReconnect(broker.nc, () => void lookSafely(false));
  return { raiseIfBehind: look, [Symbol.dispose]: stop };
}
