// Tested by libs/tasks/src/configuration/last_good_test.ts
import type { Broker } from "./broker.ts";

export interface KeyWatcher extends Disposable {
  /** Opens the watcher, unless it is open. Throws where the broker refuses. */
  openIfEnded(): Promise<void>;
}

/** The keys of a bucket that are watched, and what they hold, for messages. */
export interface WatchedKeys {
  readonly bucket: keyof Broker["buckets"];
  readonly key: string;
  /** What the keys hold, as in `the configuration`. */
  readonly what: string;
}

/**
 * Calls `onEntry` for each write of the keys, one after the other. The client's watcher ends for good where the server refuses its inbox,
 * and hears nothing once its bucket was created anew.
 */
export function watchKeys(
  { buckets, observer }: Pick<Broker, "buckets" | "observer">,
  { bucket, key, what }: WatchedKeys,
  onEntry: () => Promise<void>,
): KeyWatcher {
  const watch = () => buckets[bucket].watch({ key });
  let watcher: Awaited<ReturnType<typeof watch>> | undefined;
  let isOver = false;

  async function follow(entries: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _entry of entries) await onEntry();
    } catch (cause) {
      observer.note(`The watcher of ${what} has ended; it is opened anew`, { cause });
    }
    watcher = undefined;
  }

  return {
    async openIfEnded() {
      if (watcher !== undefined) return;
      const opened = await watch();
      if (isOver) return opened.stop();
      watcher = opened;
      void follow(opened);
    },
    [Symbol.dispose]() {
      isOver = true;
      watcher?.stop();
    },
  };
}
