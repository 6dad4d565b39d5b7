import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { DrainedError, type RunningAttempt, VoRemovedError } from "../run/attempt.ts";
import { Roster } from "../run/roster.ts";

/** Time between two signs of life on an open idle transaction, ms. The database's idle timeout is the lease's TTL of 15 s. */
const KEEP_AWAKE_MS = 3_000;
/**
 * Longest wait after the drain's deadline and the end of the tasks' code for what their runs still tell the broker, ms. If the broker
 * does not answer, the messages come back after their ack wait, and the locks lapse.
 */
const LAST_WORDS_MS = 2_000;

/**
 * The attempts that run in a worker. Their transactions are kept awake, and all are aborted at the drain's deadline. The attempts of a
 * removed VO are aborted as soon as the worker hears of the removal. They do not wait for the sweep, which makes it final: it may come
 * later, or no scheduler may run.
 */
export class Running implements Iterable<RunningAttempt> {
  readonly #attempts = new Roster<RunningAttempt>();
  /** Aborts at the drain's deadline. */
  readonly #deadline = new AbortController();
  readonly #awake = setInterval(() => this.#keepAwake(), KEEP_AWAKE_MS);
  readonly #configuration: ConfigurationWatch;
  readonly #unfollow: () => void;

  constructor(configuration: ConfigurationWatch) {
    this.#configuration = configuration;
    this.#unfollow = configuration.onChange(() => {
      for (const attempt of this.#attempts) this.#endIfRemoved(attempt);
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
    this.#endIfRemoved(attempt);
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

  /** Stops keeping transactions awake and following the configuration. */
  close(): void {
    clearInterval(this.#awake);
    this.#unfollow();
  }

  #endIfRemoved(attempt: RunningAttempt): void {
    const { vo } = attempt;
    if (this.#configuration.current.vos[vo]?.state === "removed") attempt.abort(new VoRemovedError(vo));
  }

  #keepAwake(): void {
    const before = performance.now() - KEEP_AWAKE_MS / 2;
    for (const attempt of this.#attempts) if (attempt.startedAtMs < before) void attempt.keepAwake();
  }
}
