import { setTimeout as pause } from "node:timers/promises";

/** Greatest number of wrong tokens that are waited for at the same time. */
const AT_ONCE = 20;

/** What keeps tokens from being guessed: a wrong one takes time, and only so many are looked at meanwhile. */
export interface Guesses {
  /** Whether no token is looked at now. A session goes on. */
  isFull(): boolean;
  /** Takes the time that a wrong token costs. */
  wrong(): Promise<void>;
}

/** Makes guesses cost time. With 500 ms each, at most 40 a second are tried, from however many connections. */
export function limitGuesses(costMs: number): Guesses {
  let waiting = 0;
  return {
    isFull: () => waiting >= AT_ONCE,
    async wrong() {
      waiting++;
      try {
        await pause(costMs);
      } finally {
        waiting--;
      }
    },
  };
}
