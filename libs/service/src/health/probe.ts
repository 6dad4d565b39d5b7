import { setTimeout as pause } from "node:timers/promises";

/** Asks whether something works: returns when it does, throws why it does not. Has to settle soon after `signal` aborts. */
export type Ask = (signal: AbortSignal) => Promise<unknown>;

/** What a probe asks, whom it tells, and until when. */
export interface Probe {
  readonly ask: Ask;
  /** Gets each answer: undefined for well, else the reason. */
  readonly report: (reason: string | undefined) => void;
  /** Ends the probe. */
  readonly signal: AbortSignal;
  /** From one answer to the next question, ms; default 5 s. */
  readonly everyMs?: number;
  /** How long an answer may take, ms; default 5 s. So a check turns red after 10 s at most. */
  readonly waitMs?: number;
}

/** A wait that ends so much late tells that this process stood still, ms: the answer may be there, and was not read. */
const LATE_MS = 100;

/** The wait ended late, by this process's own fault. */
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
    // The race is for a driver that ignores its signal; one that heeds it loses nothing by it.
    await Promise.race([ask(either), aborted]);
    return undefined;
  } catch (error) {
    if (late.aborted && performance.now() - startedAtMs > waitMs + LATE_MS) return STOOD_STILL;
    return error instanceof Error ? error.message : String(error);
  } finally {
    either.removeEventListener("abort", onAbort);
  }
}

/** Asks again and again until the signal aborts. Never throws. */
export async function runProbe({ ask, report, signal, everyMs = 5_000, waitMs = 5_000 }: Probe): Promise<void> {
  while (!signal.aborted) {
    const reason = await askOnce(ask, signal, waitMs);
    if (signal.aborted) return;
    // The next question is asked at once: nothing is known of whom it asks, and the event loop has a check of its own.
    if (reason === STOOD_STILL) continue;
    report(reason);
    // The pause is cut short, by a rejection, exactly when nobody wants the next answer.
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
