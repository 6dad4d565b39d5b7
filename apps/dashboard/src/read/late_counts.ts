import { setTimeout as pause } from "node:timers/promises";

/** Time for which a page waits for a count, ms. What takes longer is there at one of the next updates. */
const PATIENCE_MS = 300;
/** Shortest time between two counts of the same, ms, and how many times as long as the count itself took. */
const REST_MS = 2_000;
const REST_FACTOR = 10;
/** Greatest number of counts that are kept. */
const KEPT = 50;

/** A count, and when it was made. */
export interface LateCount {
  readonly count: number;
  /** ms since the epoch. */
  readonly atMs: number;
}

interface Kept {
  found: LateCount | undefined;
  counting: Promise<void> | undefined;
  restUntilMs: number;
}

/**
 * Counts that may take seconds, made behind the pages: one at a time, whatever the number of viewers, and seldom enough to take at most a
 * tenth of the time. Returns the newest count; undefined: there is none yet.
 */
export function keepLateCounts<Question>(count: (question: Question) => Promise<number>, patienceMs = PATIENCE_MS) {
  const all = new Map<string, Kept>();
  let turn: Promise<void> = Promise.resolve();

  async function countNow(kept: Kept, question: Question): Promise<void> {
    const startedMs = performance.now();
    try {
      kept.found = { count: await count(question), atMs: Date.now() };
    } catch {
      // What keeps it from counting keeps the page from its letters too, and that one says so.
    }
    const tookMs = performance.now() - startedMs;
    kept.restUntilMs = performance.now() + Math.max(REST_MS, REST_FACTOR * tookMs);
    kept.counting = undefined;
  }

  function open(key: string): Kept {
    const known = all.get(key);
    const kept = known ?? { found: undefined, counting: undefined, restUntilMs: 0 };
    all.delete(key);
    all.set(key, kept);
    const [oldest] = all.keys();
    if (all.size > KEPT && oldest !== undefined) all.delete(oldest);
    return kept;
  }

  return async (question: Question): Promise<LateCount | undefined> => {
    const kept = open(JSON.stringify(question));
    if (kept.counting === undefined && performance.now() >= kept.restUntilMs) {
      turn = turn.then(() => countNow(kept, question));
      kept.counting = turn;
    }
    if (kept.counting !== undefined) await Promise.race([kept.counting, pause(patienceMs)]);
    return kept.found;
  };
}
