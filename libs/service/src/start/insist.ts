import { setTimeout as pause } from "node:timers/promises";
import { sparingly } from "../logging/sparingly.ts";
import type { Log } from "../logging/log.ts";

/** What is tried, and what ends the trying. */
export interface Insistence<Answer> {
  /** Names the work in the log: `connect to NATS`. */
  readonly what: string;
  readonly work: () => Promise<Answer>;
  /** Ends the trying: its reason is thrown. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Hears why each try failed, and undefined once one has not. */
  readonly report?: (reason: string | undefined) => void;
  /** Whether an error will not go away by waiting, such as a server that is too old; default: none is of that kind. */
  readonly isFinal?: (error: unknown) => boolean;
}

/** Pause between two tries, ms; spread, lest all apps of a grid ask at once. */
const PAUSE_MS = 1_000;

/**
 * Tries until it works: an app whose servers are down at its start waits for them, unready and with its health answering.
 *
 * Throws an error that `isFinal` knows, and the signal's reason.
 */
export async function insist<Answer>({
  what,
  work,
  signal,
  log,
  report,
  isFinal,
}: Insistence<Answer>): Promise<Answer> {
  using quiet = sparingly(log);
  for (;;) {
    signal.throwIfAborted();
    try {
      const answer = await work();
      report?.(undefined);
      return answer;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (isFinal?.(error) === true) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      report?.(reason);
      quiet.say("warn", `cannot ${what} yet; trying again`, { reason });
    }
    const pauseMs = PAUSE_MS * (0.5 + Math.random());
    await pause(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
