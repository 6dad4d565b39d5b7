// Tested by libs/tasks/src/queue/queue_pauses_test.ts
import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { orRefused, type WatchedKeys, watchKeys } from "../broker/watch_keys.ts";
import { createPauseBook } from "./pause_book.ts";
import { QUEUE_KEYS } from "./queue_pauses.ts";
import { keysHolding } from "./queue_target.ts";

/** Time from one look at the pauses to the next, ms, also without word from the watcher. A lost bucket's watcher hears nothing. */
const LOOK_MS = 10_000;

/** The keys that are watched, and what they hold. */
const KEYS: WatchedKeys = { bucket: "schedules", key: `${QUEUE_KEYS}>`, what: "the pauses of tasks and VOs" };

/** The present pauses of tasks and VOs, kept up to date until disposed of. */
export interface PausesWatch extends Disposable {
  isPaused(task: string, vo: string): boolean;
  /** Calls `listener` after each change. */
  onChange(listener: () => void): void;
  /** Looks now. */
  look(): Promise<void>;
}

/**
 * Follows the pauses by a watcher, and also by a look every 10 s. What was known stays in force while nobody answers.
 *
 * Each process that follows them stores those again that were lost with their bucket, with an alarm. Throws `WatchRefusedError` where they cannot be
 * read or watched at first.
 */
export async function watchQueuePauses(
  broker: Broker,
  { lookMs = LOOK_MS }: { readonly lookMs?: number } = {},
): Promise<PausesWatch> {
  const { observer } = broker;
  // A request that was on its way when a server died is never answered, so the wait is short.
  const book = createPauseBook({ ...broker, jsm: broker.briefJsm }, QUEUE_KEYS);
  const listeners = new Set<() => void>();
  const ended = new AbortController();
  let isSilent = false;
  let told = "[]";

  function tell(): void {
    const text = JSON.stringify(book.entries());
    if (text === told) return;
    told = text;
    for (const listener of listeners) listener();
  }

  function tellRestored(keys: readonly string[]): void {
    if (keys.length === 0) return;
    const text = `Stored pauses of tasks and VOs again that the bucket schedules had lost: ${keys.join(", ")}`;
    observer.alarm(text, { count: keys.length });
    broker.keepIncident({ kind: "restored", about: "KV_schedules", text, isLoss: false });
  }

  async function readAnew(): Promise<void> {
    tellRestored(await book.look());
    if (ended.signal.aborted) return;
    isSilent = false;
    tell();
  }

  let reading: Promise<unknown> = Promise.resolve();
  /** Looks one after the other. */
  function look(): Promise<void> {
    const next = reading.then(readAnew);
    reading = next.catch(() => undefined); // the caller of this look hears of the failure
    return next;
  }

  let isLookWanted = false;
  /** Looks for all that was written before the look begins. */
  async function lookSoon(): Promise<void> {
    if (isLookWanted) return;
    isLookWanted = true;
    await reading;
    isLookWanted = false;
    await look().catch(failed);
  }

  function failed(cause: unknown): void {
    if (isSilent || ended.signal.aborted) return;
    isSilent = true;
    observer.note("Cannot read the pauses of tasks and VOs for now; those that are known stay in force", { cause });
  }

  await orRefused(KEYS, book.refresh());
  told = JSON.stringify(book.entries());
  const watcher = watchKeys(broker, KEYS, lookSoon);
  async function lookAgain(): Promise<void> {
    while (!ended.signal.aborted) {
      // Only our own abort rejects the sleep.
      await sleep(lookMs, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted || broker.nc.isClosed()) continue;
      await look().then(watcher.openIfEnded).catch(failed);
    }
  }
  await watcher.openIfEnded();
  void lookAgain();

  return {
    isPaused: (task, vo) => book.size > 0 && keysHolding(task, vo).some((key) => book.find(key) !== undefined),
    onChange: (listener) => void listeners.add(listener),
    look,
    [Symbol.dispose]() {
      ended.abort();
      watcher[Symbol.dispose]();
    },
  };
}
