import { setTimeout as pause } from "node:timers/promises";

/** Shortest time between two readings of the same, ms. */
const REST_MS = 1_500;
/** Greatest number of results that are kept. */
const KEPT = 50;

/** What was read, and when. */
export interface Late<Result> {
  readonly result: Result;
  /** ms since the epoch. */
  readonly atMs: number;
}

/** How long what takes long may take. */
export interface LateOptions {
  /** Time for which a page waits, ms. What takes longer is there at one of the next updates. */
  readonly patienceMs: number;
  /** Time between two readings of the same, as a multiple of what one takes. */
  readonly rest: number;
  /** Greatest number of readings at the same time. */
  readonly atOnce: number;
}

interface Kept<Result> {
  found: Late<Result> | undefined;
  /** Why the newest reading failed. The next one who asks is told. */
  failure: { readonly error: unknown } | undefined;
  reading: Promise<void> | undefined;
  restUntilMs: number;
}

/** Work that is done with at most so many at the same time. */
function inTurns(atOnce: number): (work: () => Promise<void>) => Promise<void> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      await work();
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
}

/**
 * Reads what may take seconds, behind the pages: once for all viewers, and seldom enough to leave the servers in peace. Returns the newest
 * result; undefined: there is none yet. Throws where nothing is known and the reading failed.
 */
export function keepLate<Question, Result>(
  read: (question: Question) => Promise<Result>,
  { patienceMs, rest, atOnce }: LateOptions,
): (question: Question) => Promise<Late<Result> | undefined> {
  const all = new Map<string, Kept<Result>>();
  const turn = inTurns(atOnce);

  async function readNow(kept: Kept<Result>, question: Question): Promise<void> {
    const startedMs = performance.now();
    try {
      kept.found = { result: await read(question), atMs: Date.now() };
      kept.failure = undefined;
    } catch (error) {
      kept.failure = { error };
    }
    const endedMs = performance.now();
    kept.restUntilMs = endedMs + Math.max(REST_MS, rest * (endedMs - startedMs));
    kept.reading = undefined;
  }

  function open(key: string): Kept<Result> {
    const kept = all.get(key) ?? { found: undefined, failure: undefined, reading: undefined, restUntilMs: 0 };
    all.delete(key);
    all.set(key, kept);
    const [oldest] = all.keys();
    if (all.size > KEPT && oldest !== undefined) all.delete(oldest);
    return kept;
  }

  return async (question) => {
    const kept = open(JSON.stringify(question));
    if (kept.reading === undefined && performance.now() >= kept.restUntilMs)
      kept.reading = turn(() => readNow(kept, question));
    if (kept.reading !== undefined) await Promise.race([kept.reading, pause(patienceMs)]);
    if (kept.found === undefined && kept.failure !== undefined) {
      const { error } = kept.failure;
      kept.failure = undefined;
      kept.restUntilMs = 0;
      throw error;
    }
    return kept.found;
  };
}
