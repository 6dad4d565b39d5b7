// Tested by libs/tasks/src/locks/locks_test.ts
// Tested by libs/tasks/src/lease/outage_test.ts
// Tested by tests/src/worker/results_test.ts
import { type KvEntry, KvWatchInclude } from "@nats-io/kv";
import { onReconnect } from "../connection/reconnects.ts";
import { isStreamGone } from "../streams/streams.ts";
import type { BucketName } from "../streams/stream_needs.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

/** Time between two checks whether the bucket is still the one that is watched, ms. */
const CHECK_MS = 5_000;
/** Time from a failed check to the next, ms. */
const RETRY_MS = 500;
/** Time without need after which a watcher is closed, ms. An open one hears of every change of its keys on the whole grid. */
const IDLE_MS = 30_000;

export interface KeyWatchOptions {
  readonly broker: Broker;
  readonly bucket: BucketName;
  /** Which keys, as a pattern of the bucket's own, e.g. `result.>`. */
  readonly keys: string;
  /** Whether anybody waits for a change. */
  isNeeded(): boolean;
  /** Called for each change since the watcher was opened. The entry has no value: its headers alone are sent. */
  onEntry(entry: KvEntry): void;
  /** Called when the watcher was opened. News may have been missed until now. */
  onOpened(): void;
}

/** Hears of the changes of some keys, by whatever process they were made. */
export interface KeyWatch extends AsyncDisposable {
  /** Whether the watcher is open, as far as is known. */
  readonly isOpen: boolean;
  /** Somebody waits. Opens the watcher if there is none, and keeps it open for at least half a minute. Returns at once. */
  need(): void;
}

/**
 * Opens one watcher of a process. The watcher is opened anew when its bucket was created anew, since otherwise it would stay silent
 * for ever. It is also opened anew after each reconnect: a restarted server has forgotten it, and the client takes some ten seconds to
 * notice that.
 */
export function openKeyWatch(options: KeyWatchOptions): KeyWatch {
  const { broker, bucket, keys, isNeeded, onEntry, onOpened } = options;
  let watcher: Awaited<ReturnType<typeof watch>> | undefined;
  let watchedBucket: string | undefined;
  let neededAtMs = Number.NEGATIVE_INFINITY;
  let working: Promise<void> | undefined;
  // Raised by each reconnect. A request to the old server may wait for its answer until a timeout, so its result is ignored.
  let connection = 0;
  let closed = false;

  const watch = () =>
    broker.buckets[bucket].watch({ key: keys, include: KvWatchInclude.UpdatesOnly, headers_only: true });

  async function follow(entries: AsyncIterable<KvEntry>): Promise<void> {
    for await (const entry of entries) onEntry(entry);
  }

  function stop(): void {
    watcher?.stop();
    watcher = undefined;
  }

  async function look(): Promise<void> {
    const asked = connection;
    if (isNeeded()) neededAtMs = performance.now();
    if (performance.now() - neededAtMs > IDLE_MS || broker.nc.isClosed()) return stop();
    const { created } = await broker.jsm.streams.info(`KV_${bucket}`);
    if (asked !== connection || (watcher !== undefined && created === watchedBucket)) return;
    stop();
    const opened = await watch();
    if (asked !== connection || closed) return opened.stop();
    watcher = opened;
    watchedBucket = created;
    void follow(opened)
      .catch((cause: unknown) =>
        broker.observer.note(`The watcher of ${bucket} has ended; it is opened anew`, { keys, cause }),
      )
      .finally(() => {
        if (watcher === opened) watcher = undefined;
      });
    onOpened();
  }

  function lookSoon(): void {
    if (working !== undefined || closed) return;
    const looking = look()
      .catch((cause: unknown) => {
        // Meanwhile nobody hears of changes. A bucket that is gone is declared again by others.
        const isExpected = isSilence(cause) || isStreamGone(cause) || broker.nc.isClosed();
        if (!isExpected) broker.observer.note(`Cannot watch the bucket ${bucket} yet`, { keys, cause });
        if (!closed) setTimeout(lookSoon, RETRY_MS).unref();
      })
      .finally(() => {
        if (working === looking) working = undefined;
      });
    working = looking;
  }

  const checking = setInterval(() => {
    if (watcher !== undefined || isNeeded()) lookSoon();
  }, CHECK_MS).unref();

  const stopListening = onReconnect(broker.nc, () => {
    connection++;
    working = undefined;
    stop();
    if (isNeeded()) lookSoon();
  });

  return {
    get isOpen() {
      return watcher !== undefined;
    },
    need() {
      neededAtMs = performance.now();
      if (watcher === undefined) lookSoon();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearInterval(checking);
      stopListening();
      stop();
      await working;
    },
  };
}
