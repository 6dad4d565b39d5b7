import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { DrainedError, type RunningAttempt } from "../run/attempt.ts";
import { Roster } from "../run/roster.ts";
import type { Unwanted } from "./unwanted.ts";

/** Time between two signs of life on an open idle transaction, ms. The database's idle timeout is the lease's TTL of 15 s. */
const KEEP_AWAKE_MS = 3_000;
/**
 * Longest wait after the drain's deadline and the end of the tasks' code for what their runs still tell the broker, ms. If the broker
 * does not answer, the messages come back after their ack wait, and the locks lapse.
 */
const LAST_WORDS_MS = 2_000;

/**
 * The attempts that run in a worker. Their transactions are kept awake, and all are aborted at the drain's deadline. Those that nobody
 * wants any more are aborted as soon as the worker hears of it.
 */
export class Running implements Iterable<RunningAttempt> {
  readonly #attempts = new Roster<RunningAttempt>();
  /** Aborts at the drain's deadline. */
  readonly #deadline = new AbortController();
  readonly #awake = setInterval(() => this.#keepAwake(), KEEP_AWAKE_MS);
  readonly #unwanted: Unwanted;
  readonly #unfollow: () => void;

  constructor(unwanted: Unwanted) {
    this.#unwanted = unwanted;
    this.#unfollow = unwanted.onNews(() => {
      for (const attempt of this.#attempts) this.#endIfUnwanted(attempt);
    });
  }

  get size(): number {
    return this.#attempts.size;
  }

  [Symbol.iterator](): Iterator<RunningAttempt> {
    return this.#attempts[Symbol.iterator]();
  }

  add(attempt: RunningAttempt): void {
    this.#attempts.add(attempt);
    if (this.#deadline.signal.aborted) attempt.abort(this.#deadline.signal.reason);
    this.#endIfUnwanted(attempt);
  }

  delete(attempt: RunningAttempt): void {
    this.#attempts.delete(attempt);
  }

  /** Aborts all attempts that run, and those that still begin because they were waiting for an answer. */
  hasten(): void {
    this.#deadline.abort(new DrainedError("the worker is being stopped"));
    for (const attempt of this.#attempts) attempt.abort(this.#deadline.signal.reason);
  }

  /** Resolves 2 s after all attempts were aborted and have ended. */
  async untilLastWords(): Promise<void> {
    const { signal } = this.#deadline;
    if (!signal.aborted) await once(signal, "abort");
    await Promise.all(Array.from(this.#attempts, ({ ended }) => ended));
    await pause(LAST_WORDS_MS, undefined, { ref: false });
  }

  /** Stops keeping transactions awake and hearing what is wanted. */
  close(): void {
    clearInterval(this.#awake);
    this.#unfollow();
  }

  #endIfUnwanted(attempt: RunningAttempt): void {
    const reason = this.#unwanted.reasonFor(attempt);
    if (reason !== undefined) attempt.abort(reason);
  }

  #keepAwake(): void {
    const before = performance.now() - KEEP_AWAKE_MS / 2;
    for (const attempt of this.#attempts) if (attempt.startedAtMs < before) void attempt.keepAwake();
  }
}
