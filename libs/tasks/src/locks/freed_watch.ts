// Tested by libs/tasks/src/locks/locks_test.ts
// Tested by libs/tasks/src/locks/outage_test.ts
import { type KvEntry, KvWatchInclude } from "@nats-io/kv";
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { isStreamGone } from "../streams/streams.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

/** Time between two checks whether the bucket is still the one that is watched, ms. */
const CHECK_MS = 5_000;
/** Time from a failed check to the next, ms. */
const RETRY_MS = 500;
/** Time without need after which a watcher is closed, ms. An open one hears of every lock of the grid. */
const IDLE_MS = 30_000;

interface FreedWatchOptions {
  readonly broker: Broker;
  /** Whether a task waits for a lock. */
  isNeeded(): boolean;
  /** Called when a lock was released or has lapsed. `revision` is that of the write that freed it. */
  onFreed(key: string, revision: number): void;
  /** Called when the watcher was opened. News may have been missed until now. */
  onOpened(): void;
}

/** Hears of every lock that comes free, in whatever process its holder was. */
export interface FreedWatch extends AsyncDisposable {
  /** A task waits. Opens the watcher if there is none, and keeps it open for at least half a minute. Returns at once. */
  need(): void;
}

/**
 * Opens the one watcher of a process. The watcher is opened anew when its bucket was created anew, since otherwise it would stay silent
 * for ever. It is also opened anew after each reconnect: a restarted server has forgotten it, and the client takes some ten seconds to
 * notice that.
 */
export function openFreedWatch({ broker, isNeeded, onFreed, onOpened }: FreedWatchOptions): FreedWatch {
  let watcher: Awaited<ReturnType<typeof watch>> | undefined;
  let watchedBucket: string | undefined;
  let neededAtMs = Number.NEGATIVE_INFINITY;
  let working: Promise<void> | undefined;
  // Raised by each reconnect. A request to the old server may wait for its answer until a timeout, so its result is ignored.
  let connection = 0;
  let closed = false;

  const watch = () => broker.buckets.locks.watch({ include: KvWatchInclude.UpdatesOnly, headers_only: true });

  async function follow(entries: AsyncIterable<KvEntry>): Promise<void> {
    for await (const { key, operation, revision } of entries) {
      if (operation !== "PUT") onFreed(key, revision);
    }
  }

  function stop(): void {
    watcher?.stop();
    watcher = undefined;
  }

  async function look(): Promise<void> {
    const asked = connection;
    if (isNeeded()) neededAtMs = performance.now();
    if (performance.now() - neededAtMs > IDLE_MS || broker.nc.isClosed()) return stop();
    const { created } = await broker.jsm.streams.info(LOCKS_STREAM);
    if (asked !== connection || (watcher !== undefined && created === watchedBucket)) return;
    stop();
    const opened = await watch();
    if (asked !== connection || closed) return opened.stop();
    watcher = opened;
    watchedBucket = created;
    void follow(opened)
      .catch((cause: unknown) => broker.observer.note("The watcher of locks has ended; it is opened anew", { cause }))
      .finally(() => {
        if (watcher === opened) watcher = undefined;
      });
    onOpened();
  }

  function lookSoon(): void {
    if (working !== undefined || closed) return;
    const looking = look()
      .catch((cause: unknown) => {
        // Meanwhile waiters try again after the holders' TTL. The next task that takes a lock declares the bucket again.
        const isExpected = isSilence(cause) || isStreamGone(cause) || broker.nc.isClosed();
        if (!isExpected) broker.observer.note("Cannot watch the bucket locks yet", { cause });
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
