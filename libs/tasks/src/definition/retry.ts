/** What happens to a task whose last attempt has failed: it is kept with its reason, or only its outcome is. */
export type GiveUp = "dead" | "drop";

/** What a failed attempt leads to. */
export type RetryDecision = { readonly kind: "retry"; readonly delayMs: number } | { readonly kind: GiveUp };

/** Decides after each failed attempt. */
export interface RetryPolicy {
  readonly name: string;
  /** `error` is the value that `execute` threw; `attempt` is the one that failed, 1 first. */
  decide(failure: { readonly error: unknown; readonly attempt: number }): RetryDecision;
}

/** A task throws it to ask for another attempt, within the policy's `maxRetries`, whatever the policy says about the error. */
export class RetryTask extends Error {
  override readonly name = "RetryTask";
  readonly delayMs: number | undefined;
  constructor(reason: string, options: { readonly delayMs?: number; readonly cause?: unknown } = {}) {
    super(reason, { cause: options.cause });
    this.delayMs = options.delayMs;
  }
}

/** A task throws it to be given up at once, in the way of its policy. */
export class NeverRetry extends Error {
  override readonly name = "NeverRetry";
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super(reason, options);
  }
}

/** One attempt and no retry. `then` says what happens to the task, default `"dead"`. */
export function noRetry({ then = "dead" as GiveUp }: { readonly then?: GiveUp } = {}): RetryPolicy {
  return { name: "NoRetry", decide: () => ({ kind: then }) };
}

export interface BackoffOptions {
  /** Number of retries after the first attempt: 3 allows four attempts. Default 5. */
  readonly maxRetries?: number;
  /** Delay before the first retry, ms; default 1,000. */
  readonly firstDelayMs?: number;
  /** Each delay is this many times the one before; default 2. */
  readonly factor?: number;
  /** Longest delay, ms; default 300,000. */
  readonly maxDelayMs?: number;
  /** What happens after the last attempt, default `"dead"`. */
  readonly then?: GiveUp;
  /** A number from 0 up to 1; tests replace it. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Retries after growing delays. Each is drawn evenly from half the computed delay to all of it, so that tasks which failed together do not
 * return together.
 */
export function exponentialBackoff(options: BackoffOptions = {}): RetryPolicy {
  const {
    maxRetries = 5,
    firstDelayMs = 1_000,
    factor = 2,
    maxDelayMs = 300_000,
    then = "dead",
    random = Math.random,
  } = options;
  if (
    !(Number.isInteger(maxRetries) && maxRetries >= 0 && firstDelayMs > 0 && factor >= 1 && maxDelayMs >= firstDelayMs)
  ) {
    throw new RangeError(
      `Cannot build ExponentialBackoff from ${JSON.stringify({ maxRetries, firstDelayMs, factor, maxDelayMs })}: maxRetries >= 0, firstDelayMs > 0, factor >= 1, maxDelayMs >= firstDelayMs must all hold; give maxDelayMs where firstDelayMs is longer than its default of 300,000 ms`,
    );
  }
  return {
    name: "ExponentialBackoff",
    decide({ error, attempt }) {
      if (error instanceof NeverRetry || attempt > maxRetries) return { kind: then };
      if (error instanceof RetryTask && error.delayMs !== undefined) return { kind: "retry", delayMs: error.delayMs };
      const fullMs = Math.min(maxDelayMs, firstDelayMs * factor ** (attempt - 1));
      return { kind: "retry", delayMs: Math.round(fullMs * (0.5 + random() / 2)) };
    },
  };
}
