// Tested by libs/tasks/src/configuration/last_good_test.ts
// Tested by tests/src/access/refused_watch_test.ts
import { describeForbidden, ForbiddenError } from "../connection/forbidden.ts";
import { rightFor } from "../connection/permission_watch.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

export interface KeyWatcher extends Disposable {
  /** Opens the watcher, unless it is open. Throws {@linkcode WatchRefusedError} where the broker refuses or does not answer. */
  openIfEnded(): Promise<void>;
}

/** Why a bucket cannot be read or watched, and what to do. */
function reasonOf(cause: unknown): string {
  // The name of a watcher's consumer is another one each time. The right is for all of them.
  if (cause instanceof ForbiddenError)
    return describeForbidden({ operation: cause.operation, subject: rightFor(cause.subject) }, cause.who);
  const why = cause instanceof Error ? cause.message : String(cause);
  return isSilence(cause) ? `JetStream does not answer for it (${why}); \`muster doctor\` says what it lacks` : why;
}

/** Keys of a bucket cannot be read or watched. Its text says which ones, why, and what to do. */
export class WatchRefusedError extends Error {
  override readonly name = "WatchRefusedError";
  readonly bucket: string;
  constructor({ bucket, key, what }: WatchedKeys, cause: unknown) {
    super(`Cannot follow ${what}, ${key} in bucket ${bucket}: ${reasonOf(cause)}`, { cause });
    this.bucket = bucket;
  }
}

/** Returns what `reading` returns. Throws {@linkcode WatchRefusedError} where it throws. */
export async function orRefused<Value>(watched: WatchedKeys, reading: Promise<Value>): Promise<Value> {
  try {
    return await reading;
  } catch (cause) {
    throw new WatchRefusedError(watched, cause);
  }
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
  watched: WatchedKeys,
  onEntry: () => Promise<void>,
): KeyWatcher {
  const { bucket, key, what } = watched;
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
      const opened = await orRefused(watched, watch());
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
