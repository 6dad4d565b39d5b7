// Tested by apps/dashboard/src/feed/feed_test.ts
import type { StepName } from "@muster/tasks";
import { createHistogram, type Histogram } from "./histogram.ts";

/** Length of one interval, ms. */
export const INTERVAL_MS = 5_000;
/** Number of intervals that are kept: half an hour. */
export const INTERVALS = 360;

/** What happened in one interval. */
export interface Interval {
  /** Its begin, ms since the epoch. */
  readonly atMs: number;
  /** Tasks that ended as they should. */
  readonly done: number;
  /** Attempts that failed and will be repeated. */
  readonly retried: number;
  /** Tasks that were given up: dead letters, dropped and refused ones. */
  readonly lost: number;
  /** Of these, the ones that became dead letters. */
  readonly letters: number;
  readonly started: number;
  /** From stored to the start. Only some of the starts are measured where there are very many. */
  readonly startLatency: Pick<Histogram, "counts">;
}

interface Counting extends Interval {
  done: number;
  retried: number;
  lost: number;
  letters: number;
  started: number;
  readonly startLatency: Histogram;
}

/** The last half hour, interval by interval. */
export interface Series {
  /** Counts a step. `times`: how many of them were told at once. `atMs`: when; default now. A time that is not kept counts for nothing. */
  count(step: StepName, times: number, atMs?: number): void;
  measureStart(ms: number, atMs?: number): void;
  /** Drops the intervals before the one of this time: not all is known of them. */
  forgetBefore(ms: number): void;
  /** All intervals, oldest first, also those in which nothing happened. The last one has not ended. */
  intervals(): readonly Interval[];
}

const FIELDS: Readonly<Partial<Record<StepName, "done" | "retried" | "lost" | "started">>> = {
  started: "started",
  done: "done",
  retry: "retried",
  dead: "lost",
  dropped: "lost",
  refused: "lost",
};

/** Steps that store a dead letter. */
const LETTERS: ReadonlySet<StepName> = new Set(["dead", "refused"]);

/** Keeps a series that begins at a time; default now. `now` returns ms since the epoch. */
export function keepSeries(now: () => number, beginMs = now()): Series {
  const startOf = (ms: number) => Math.floor(ms / INTERVAL_MS) * INTERVAL_MS;
  const empty = (atMs: number): Counting => ({
    ...{ atMs, done: 0, retried: 0, lost: 0, letters: 0, started: 0 },
    startLatency: createHistogram(),
  });
  let kept: Counting[] = [empty(startOf(beginMs))];

  function present(): Counting {
    const nowAt = startOf(now());
    let last = kept.at(-1) ?? empty(nowAt);
    // After a long sleep of this machine nothing is left of what was before.
    if (nowAt - last.atMs > INTERVALS * INTERVAL_MS) {
      last = empty(nowAt);
      kept = [last];
    }
    while (last.atMs < nowAt) {
      last = empty(last.atMs + INTERVAL_MS);
      kept.push(last);
    }
    if (kept.length > INTERVALS) kept = kept.slice(-INTERVALS);
    return last;
  }

  /** The interval of a time; undefined: it is not kept. */
  function intervalAt(atMs: number): Counting | undefined {
    const last = present();
    return atMs >= last.atMs ? last : kept.at((startOf(atMs) - last.atMs) / INTERVAL_MS - 1);
  }

  return {
    count(step, times, atMs = now()) {
      const field = FIELDS[step];
      const interval = field === undefined ? undefined : intervalAt(atMs);
      if (field === undefined || interval === undefined) return;
      interval[field] += times;
      if (LETTERS.has(step)) interval.letters += times;
    },
    measureStart: (ms, atMs = now()) => intervalAt(atMs)?.startLatency.add(ms),
    forgetBefore(ms) {
      const last = present();
      kept = kept.filter((interval) => interval === last || interval.atMs >= startOf(ms));
    },
    intervals() {
      present();
      return kept;
    },
  };
}
