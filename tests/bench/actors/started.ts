import { nowUs } from "./clock.ts";
import type { BenchPayload } from "./verbs.ts";

/** Notes the tasks that start in this process. */
export interface Starts {
  /** Called first thing by each task. */
  note(payload: BenchPayload): void;
  /** Forgets what was noted; settles when `count` more tasks have started, with the time of the first. */
  next(count: number): Promise<{ readonly firstUs: number }>;
  /** When the first task since then started; undefined: none has. */
  firstUs(): number | undefined;
  /** From publish to start of each task noted since the last call, ms; tasks that bear no time are left out. */
  take(): readonly number[];
}

/** Nothing noted yet. */
export function countStarts(): Starts {
  let firstUs = 0;
  let seen = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let reached = Promise.withResolvers<{ readonly firstUs: number }>();
  let latenciesMs: number[] = [];
  return {
    note({ sentAtUs }) {
      const startedUs = sentAtUs > 0 || seen === 0 ? nowUs() : 0;
      if (sentAtUs > 0) latenciesMs.push((startedUs - sentAtUs) / 1_000);
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
    firstUs: () => (seen === 0 ? undefined : firstUs),
    take() {
      const taken = latenciesMs;
      latenciesMs = [];
      return taken;
    },
  };
}

/** So few tasks are gone within some ten milliseconds. */
const FEW = 50;

/** Looks every few ms until `isEmpty` says so, and answers when that was. Throws after a minute: something is stuck. */
export async function untilEmpty(isEmpty: () => Promise<boolean>): Promise<number> {
  const until = performance.now() + 60_000;
  for (;;) {
    if (await isEmpty()) return nowUs();
    if (performance.now() > until) throw new Error("Cannot drain: all tasks have started and some are still stored");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The same from afar, while others work on what waits: what is far from empty is seldom asked about, for the answer costs them. */
export async function untilDrained(countWaiting: () => Promise<number>): Promise<number> {
  while ((await countWaiting()) > FEW) await new Promise((resolve) => setTimeout(resolve, 25));
  return untilEmpty(async () => (await countWaiting()) === 0);
}
