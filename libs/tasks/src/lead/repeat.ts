import { isSilence } from "../broker/publish_surely.ts";
import { createBell } from "../connection/bell.ts";
import type { Reporter } from "./reporter.ts";

/** Work that one loop repeats while this process leads. */
export interface Chore {
  readonly name: string;
  /** Time from one end to the next beginning, ms. */
  readonly everyMs: number;
  /** What it throws is reported, and the chore is run again in its time. `signal` aborts when this process stops leading. */
  run(signal: AbortSignal): Promise<void>;
}

/** Sleeps `ms`, also where that is longer than a timer can be, or until `signal` aborts. */
export async function sleepLong(ms: number, signal: AbortSignal): Promise<void> {
  const bell = createBell();
  const until = performance.now() + ms;
  while (!signal.aborted && performance.now() < until) await bell.sleep(until - performance.now(), signal);
}

/** Runs the chore at once and then every `everyMs`, until `signal` aborts. Settles when the last run has ended; never rejects. */
export async function repeat(chore: Chore, report: Reporter, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await chore.run(signal);
    } catch (cause) {
      if (signal.aborted) return;
      const tell = isSilence(cause) ? report.note : report.alarm;
      tell(`chore ${chore.name}`, `Cannot finish ${chore.name}; it comes again`, { cause });
    }
    await sleepLong(chore.everyMs, signal);
  }
}
