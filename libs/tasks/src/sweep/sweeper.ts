import { sleepLong } from "../lead/repeat.ts";
import { REST } from "../lead/charges.ts";
import { createPatternSweep } from "./pattern_sweep.ts";
import { createLaterSweep } from "./sweep_later.ts";
import type { SweepContext } from "./sweep_context.ts";
import { sweepTasks } from "./sweep_tasks.ts";
import { createUnservedWatch } from "./unserved.ts";

/** Time from one sweep to the next, ms. */
export const SWEEP_MS = 10_000;

/** Removes from TASKS and LATER what no worker will ever run, and keeps it with its reason (PROTOCOL 2.6). */
export interface Sweeper {
  /**
   * One sweep, with as many passes as it needs. Each pass puts away a bounded number of messages, and rests before the next one.
   *
   * Throws where the broker is silent. The next sweep goes on where this one stopped.
   */
  sweep(signal: AbortSignal): Promise<void>;
}

export function createSweeper(context: SweepContext): Sweeper {
  const later = createLaterSweep(context);
  const patterns = createPatternSweep(context);
  const unserved = createUnservedWatch(context);
  return {
    async sweep(signal) {
      if (context.charges.led.has(REST)) await unserved.look();
      while (!signal.aborted) {
        const laterMs = context.charges.led.has(REST) ? await later.pass() : Number.POSITIVE_INFINITY;
        const againMs = Math.min(await sweepTasks(context, patterns), laterMs);
        if (againMs >= SWEEP_MS) return;
        await sleepLong(againMs, signal);
      }
    },
  };
}
