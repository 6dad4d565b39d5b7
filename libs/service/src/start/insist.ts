import { setTimeout as pause } from "node:timers/promises";
import { sparingly } from "../logging/sparingly.ts";
import type { Log } from "../logging/log.ts";

/** The work to try, and what ends the trying. */
export interface Insistence<Answer> {
  /** Names the work in the log: `connect to NATS`. */
  readonly what: string;
  /** One try. It is made again where it throws. */
  readonly work: () => Promise<Answer>;
  /** Ends the trying: its reason is thrown. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called after each try: with the reason of a failure, or with undefined after a success. */
  readonly report?: (reason: string | undefined) => void;
  /** Whether an error stays however long one waits, such as a server that is too old. Default: no error does. */
  readonly isFinal?: (error: unknown) => boolean;
}

/** Mean pause between two tries, ms. It varies by half, so that the apps of a grid do not all ask at once. */
const PAUSE_MS = 1_000;

/**
 * Tries until it works. An app whose servers are down at its start waits for them: it is unready, and its health
 * answers.
 *
 * Throws an error for which `isFinal` returns true, and the signal's reason.
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
