// Tested by libs/tasks/src/locks/locks_test.ts
// Tested by libs/tasks/src/locks/outage_test.ts
import { type KvEntry, KvWatchInclude } from "@nats-io/kv";
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { isStreamGone } from "../streams/streams.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

/** How often it is looked whether the bucket is still the one that is watched, ms. */
const CHECK_MS = 5_000;
/** After a failure it is looked again, ms. */
const RETRY_MS = 500;
/** A watcher that nobody needed for so long is closed: it hears of every lock of the grid. */
const IDLE_MS = 30_000;

interface FreedWatchOptions {
  readonly broker: Broker;
  /** Whether someone waits. */
  isNeeded(): boolean;
  /** A lock was released or has lapsed, by the write of `revision`. */
  onFreed(key: string, revision: number): void;
  /** News may have been missed until now. */
  onOpened(): void;
}

/** Hears of every lock that comes free, wherever its holder was. */
export interface FreedWatch extends AsyncDisposable {
  /** Someone waits: opens the watcher if there is none, and keeps it open for half a minute at least. Returns at once. */
  need(): void;
}

/**
 * One watcher a process. It is opened anew when its bucket was created anew, since it stays mute then for ever, and after each
 * reconnect, since a restarted server has forgotten it and the client takes some ten seconds to notice.
 */
export function openFreedWatch({ broker, isNeeded, onFreed, onOpened }: FreedWatchOptions): FreedWatch {
  let watcher: Awaited<ReturnType<typeof watch>> | undefined;
  let watchedBucket: string | undefined;
  let neededAtMs = Number.NEGATIVE_INFINITY;
  let working: Promise<void> | undefined;
  // Raised by each reconnect. What was asked of the old server may wait for its answer until a timeout, and is not waited for.
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
        // Waiters go on by the holders' TTL meanwhile; the bucket is declared again by whoever takes a lock.
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
