/** Longest sleep, ms. A timer overflows after some 25 days. */
export const LONGEST_SLEEP_MS = 86_400_000;

/** Lets one loop sleep until a time or an event, whichever comes first. */
export interface Bell {
  /** Ends the present sleep. Where nobody sleeps, the next sleep ends at once. */
  ring(): void;
  /** Settles after `ms` (at most a day), when the bell rings, or when `signal` aborts. Never rejects. One loop may sleep at a time. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | undefined;

  return {
    ring() {
      rung = true;
      wake?.();
    },
    async sleep(ms, signal) {
      if (!rung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const onAbort = () => resolve();
        const timer = setTimeout(resolve, Math.min(Math.max(ms, 0), LONGEST_SLEEP_MS));
        wake = resolve;
        signal.addEventListener("abort", onAbort);
        await promise;
        wake = undefined;
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      }
      rung = false;
    },
  };
}
