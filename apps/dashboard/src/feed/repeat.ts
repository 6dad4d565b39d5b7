import { setTimeout as pause } from "node:timers/promises";

/** Work that is done again and again. */
export interface Repetition {
  /** Pause from the end of one round to the next, ms; asked before each. */
  everyMs(): number;
  work(): Promise<void>;
}

/** Repeats until disposed of. One round at a time. `work` must not throw. */
export function repeat({ everyMs, work }: Repetition): AsyncDisposable {
  const over = new AbortController();
  async function go(): Promise<void> {
    while (!over.signal.aborted) {
      await work();
      // The pause rejects only when this ends.
      await pause(everyMs(), undefined, { signal: over.signal }).catch(() => undefined);
    }
  }
  const going = go();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await going;
    },
  };
}
