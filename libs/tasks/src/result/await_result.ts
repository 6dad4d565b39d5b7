// Tested by tests/src/worker/results_test.ts
import type { OutcomeRow } from "../definition/ledger.ts";
import type { Broker } from "../broker/broker.ts";
import { type KeyWatch, openKeyWatch } from "../broker/key_watch.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { isStillThere } from "./still_there.ts";
import { type KeptResult, readKeptResult, resultKey } from "./kept_result.ts";
import { ResultGoneError, ResultTimeoutError } from "./result_errors.ts";

/** How long a wait for a result lasts by default, ms. */
const WAIT_MS = 600_000;
/** Longest delay of a timer, ms. */
const LONGEST_MS = 2 ** 31 - 1;
/** Time from a reading that nobody answered to the next, ms. */
const AGAIN_MS = 500;

/** How long a result is waited for. */
export interface ResultOptions {
  /** Longest wait, ms; default 10 minutes. */
  readonly timeoutMs?: number;
  /** Ends the wait with its reason. The task goes on. */
  readonly signal?: AbortSignal;
}

/** The task whose end is waited for, and who may know of it. */
export interface Sought {
  readonly taskId: string;
  /** Undefined: its name and VO are not known, so nobody can tell where its message is. */
  readonly address?: { readonly task: string; readonly vo: string } | undefined;
  /** Where its message was stored; undefined: not known. */
  readonly stored?: { readonly stream: string; readonly sequence: number } | undefined;
  /** Asks the ledger, where there is one. */
  recall?(taskId: string): Promise<OutcomeRow | undefined>;
}

/** One waiter for one key. `hear` marks it stale and wakes it; the waiter reads and clears the mark. */
class Place {
  isStale = true;
  #wake = Promise.withResolvers<void>();

  hear(): void {
    this.isStale = true;
    this.#wake.resolve();
  }

  /** Resolves once there may be news since the last call of `read`. */
  get news(): Promise<void> {
    return this.#wake.promise;
  }

  /** A reading begins: what is heard from now on is news. */
  begin(): void {
    this.isStale = false;
    this.#wake = Promise.withResolvers<void>();
  }
}

/** All waiters of one connection. They share one watcher of the bucket. */
class WaitingList {
  readonly #places = new Map<string, Set<Place>>();
  readonly #watch: KeyWatch;

  constructor(broker: Broker) {
    this.#watch = openKeyWatch({
      ...{ broker, bucket: "results", keys: "result.>" },
      isNeeded: () => this.#places.size > 0,
      onEntry: ({ key }) => this.#tell(this.#places.get(key) ?? []),
      onOpened: () => {
        for (const places of this.#places.values()) this.#tell(places);
      },
    });
    void broker.nc.closed().then(() => this.#watch[Symbol.asyncDispose]());
  }

  get isOpen(): boolean {
    return this.#watch.isOpen;
  }

  enter(key: string): Place {
    const place = new Place();
    const places = this.#places.get(key) ?? new Set();
    this.#places.set(key, places.add(place));
    this.#watch.need();
    return place;
  }

  leave(key: string, place: Place): void {
    const places = this.#places.get(key);
    places?.delete(place);
    if (places?.size === 0) this.#places.delete(key);
  }

  #tell(places: Iterable<Place>): void {
    for (const place of places) place.hear();
  }
}

const lists = new WeakMap<Broker, WaitingList>();

function listOf(broker: Broker): WaitingList {
  const list = lists.get(broker) ?? new WaitingList(broker);
  lists.set(broker, list);
  return list;
}

/** The end of a task in the ledger's words; undefined: it has not ended. */
export function endOfRow(row: OutcomeRow | undefined): KeptResult | undefined {
  if (row === undefined || row.outcome === "retry") return undefined;
  const { outcome, result, errors, task, vo, attempt, spawned } = row;
  const error = outcome === "done" ? null : (errors.at(-1) ?? null);
  return { ...{ outcome, result, error, task, vo, attempt }, endedAt: "", parent: null, children: spawned.length };
}

/** Looks once where else a task's end may be told. Throws {@linkcode ResultGoneError} where it has ended and nobody knows how. */
async function lookElsewhere(broker: Broker, sought: Sought): Promise<KeptResult | undefined> {
  const end = endOfRow(await sought.recall?.(sought.taskId));
  if (end !== undefined) return end;
  if (sought.address === undefined || (await isStillThere(broker, { ...sought, ...sought.address }))) return undefined;
  // It may have ended while its message was looked for: its result is kept before the message goes.
  const kept = await readKeptResult(broker, sought.taskId);
  if (kept === undefined) throw new ResultGoneError(sought.taskId);
  return kept;
}

/** Resolves after `ms`, or when `signal` aborts. */
function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end, { once: true });
  });
}

/**
 * Waits for a kept result. Its key is watched before it is read, so no end can fall between the two. After a reconnect it is read again.
 *
 * Throws {@linkcode ResultTimeoutError}, {@linkcode ResultGoneError}, the reason of `signal`, and what the broker refuses.
 */
export async function awaitResult(
  broker: Broker,
  sought: Sought,
  { timeoutMs = WAIT_MS, signal }: ResultOptions = {},
): Promise<KeptResult> {
  signal?.throwIfAborted();
  const list = listOf(broker);
  const key = resultKey(sought.taskId);
  const place = list.enter(key);
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), Math.min(timeoutMs, LONGEST_MS));
  const abort = () => ended.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const over = new Promise<undefined>((resolve) => {
    ended.signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  let silence: unknown;
  let isSoughtElsewhere = false;
  // Where the watcher is not open yet, its opening is the first news.
  if (!list.isOpen) place.begin();
  try {
    while (!ended.signal.aborted) {
      if (!place.isStale) await Promise.race([place.news, over]);
      if (ended.signal.aborted) break;
      place.begin();
      try {
        const kept = await Promise.race([readKeptResult(broker, sought.taskId), over]);
        if (kept !== undefined) return kept;
        const other = isSoughtElsewhere ? undefined : await Promise.race([lookElsewhere(broker, sought), over]);
        isSoughtElsewhere = true;
        if (other !== undefined) return other;
        silence = undefined;
      } catch (error) {
        if (!isSilence(error) || broker.nc.isClosed()) throw error;
        silence = error;
        await rest(AGAIN_MS, ended.signal);
        place.hear();
      }
    }
    signal?.throwIfAborted();
    throw new ResultTimeoutError(sought.taskId, timeoutMs, silence);
  } finally {
    clearTimeout(timer);
    ended.abort();
    signal?.removeEventListener("abort", abort);
    list.leave(key, place);
  }
}
