import { setTimeout as pause } from "node:timers/promises";

/** Asks whether something works: returns if it does, else throws the reason. Must settle soon after `signal` aborts. */
export type Ask = (signal: AbortSignal) => Promise<unknown>;

/** A question that is asked again and again, who gets the results, and what ends it. */
export interface Probe {
  readonly ask: Ask;
  /** Called with each result: undefined if all is well, else the reason. */
  readonly report: (reason: string | undefined) => void;
  /** Ends the probe. */
  readonly signal: AbortSignal;
  /** Pause from one answer to the next question, ms; default 5 s. */
  readonly everyMs?: number;
  /** Longest wait for an answer, ms; default 5 s. So a check turns red after 10 s at most. */
  readonly waitMs?: number;
}

/**
 * Delay of the wait's end beyond which this process itself stood still, ms. The answer may have come and was not read.
 */
const LATE_MS = 100;

/** The wait ended late because this process stood still. */
const STOOD_STILL = Symbol("stood still");

async function askOnce(
  ask: Ask,
  signal: AbortSignal,
  waitMs: number,
): Promise<string | undefined | typeof STOOD_STILL> {
  const startedAtMs = performance.now();
  const late = AbortSignal.timeout(waitMs);
  const either = AbortSignal.any([late, signal]);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(late.aborted ? new Error(`no answer within ${waitMs / 1_000} s`) : either.reason);
  either.addEventListener("abort", onAbort, { once: true });
  try {
    // The race is for a driver that ignores its signal. A driver that obeys it loses nothing.
    await Promise.race([ask(either), aborted]);
    return undefined;
  } catch (error) {
    if (late.aborted && performance.now() - startedAtMs > waitMs + LATE_MS) return STOOD_STILL;
    return error instanceof Error ? error.message : String(error);
  } finally {
    either.removeEventListener("abort", onAbort);
  }
}

/** Asks again and again, until the signal aborts. Never throws. */
export async function runProbe({ ask, report, signal, everyMs = 5_000, waitMs = 5_000 }: Probe): Promise<void> {
  while (!signal.aborted) {
    const reason = await askOnce(ask, signal, waitMs);
    if (signal.aborted) return;
    // Asks again at once: this says nothing about the server, and the silence of the event loop has a check of its own.
    if (reason === STOOD_STILL) continue;
    report(reason);
    // The pause rejects only when the signal aborts, and then no further answer is wanted.
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
