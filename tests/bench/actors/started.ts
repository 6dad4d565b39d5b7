import { nowUs } from "./clock.ts";
import type { BenchPayload } from "./verbs.ts";

/** Notes the tasks that start in this process. */
export interface Starts {
  /** Each task calls it before anything else. */
  note(payload: BenchPayload): void;
  /** Forgets what was noted. Resolves when `count` more tasks have started, with the start of the first. */
  next(count: number): Promise<{ readonly firstUs: number }>;
  /** Resolves when `count` tasks with a publish time have started since the last `take`. */
  timed(count: number): Promise<void>;
  /** Start of the first task since then, µs; undefined: no task has started. */
  firstUs(): number | undefined;
  /** Time from publish to start of each task since the last call, ms. Tasks without a publish time are left out. */
  take(): readonly number[];
}

/** Makes an empty `Starts`. */
export function countStarts(): Starts {
  let firstUs = 0;
  let seen = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let reached = Promise.withResolvers<{ readonly firstUs: number }>();
  let latenciesMs: number[] = [];
  let timed = { wanted: Number.POSITIVE_INFINITY, reached: () => {} };
  return {
    note({ sentAtUs }) {
      const startedUs = sentAtUs > 0 || seen === 0 ? nowUs() : 0;
      if (sentAtUs > 0 && latenciesMs.push((startedUs - sentAtUs) / 1_000) === timed.wanted) timed.reached();
      if (seen === 0) firstUs = startedUs;
      seen++;
      if (seen === wanted) reached.resolve({ firstUs });
    },
    next(count) {
      seen = 0;
      wanted = count;
      reached = Promise.withResolvers();
      return reached.promise;
    },
    timed(count) {
      if (latenciesMs.length >= count) return Promise.resolve();
      return new Promise((reached) => {
        timed = { wanted: count, reached };
      });
    },
    firstUs: () => (seen === 0 ? undefined : firstUs),
    take() {
      const taken = latenciesMs;
      latenciesMs = [];
      return taken;
    },
  };
}

/** Number of waiting tasks that are done within about ten milliseconds. */
const FEW = 50;

/** Calls `isEmpty` every few ms until it returns true. Returns the time of that. Throws after a minute, since a task is stuck. */
export async function untilEmpty(isEmpty: () => Promise<boolean>): Promise<number> {
  const until = performance.now() + 60_000;
  for (;;) {
    if (await isEmpty()) return nowUs();
    if (performance.now() > until) throw new Error("Cannot drain: all tasks have started and some are still stored");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The same for a queue on which other processes work. While many tasks wait, it seldom asks, since each answer slows those processes. */
export async function untilDrained(countWaiting: () => Promise<number>): Promise<number> {
  while ((await countWaiting()) > FEW) await new Promise((resolve) => setTimeout(resolve, 25));
  return untilEmpty(async () => (await countWaiting()) === 0);
}
