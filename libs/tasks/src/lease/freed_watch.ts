import type { Broker } from "../broker/broker.ts";
import { type KeyWatch, openKeyWatch } from "../broker/key_watch.ts";

interface FreedWatchOptions {
  readonly broker: Broker;
  /** Whether a task waits for a lock. */
  isNeeded(): boolean;
  /** Called when a lock was released or has lapsed. `revision` is that of the write that freed it. */
  onFreed(key: string, revision: number): void;
  /** Called when the value of a key was changed by the write of `revision`, which freed no whole lock. */
  onChanged(key: string, revision: number): void;
  /** Called when the watcher was opened. News may have been missed until now. */
  onOpened(): void;
}

/**
 * Hears of every lock that comes free, in whatever process its holder was. While nobody hears, waiters try again after the holders' TTL, and
 * the next task that takes a lock declares a bucket again that is gone.
 */
export function openFreedWatch({ broker, isNeeded, onFreed, onChanged, onOpened }: FreedWatchOptions): KeyWatch {
  return openKeyWatch({
    ...{ broker, bucket: "locks", keys: ">", isNeeded, onOpened },
    onEntry({ key, operation, revision }) {
      if (operation === "PUT") onChanged(key, revision);
      else onFreed(key, revision);
    },
  });
}
