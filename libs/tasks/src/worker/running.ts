import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { DrainedError, type RunningAttempt, VoRemovedError } from "../run/attempt.ts";
import { Roster } from "../run/roster.ts";

/** Distance at which open idle transactions are kept awake, ms; the database's idle timeout is the lease's TTL of 15 s. */
const KEEP_AWAKE_MS = 3_000;
/**
 * After the drain's deadline, once the tasks' code has ended, what their runs still have to tell the broker is waited for so long, ms:
 * of a broker that is away the rest comes back by itself, and locks lapse.
 */
const LAST_WORDS_MS = 2_000;

/**
 * The attempts that run in a worker. Their transactions are kept awake, and all are aborted at the drain's deadline. Those of a VO that is
 * removed are aborted as soon as the worker hears of it: the sweep, which makes it final, may come later, or no scheduler run.
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

  /** Aborts what still runs, and what begins yet because it was waiting for an answer. */
  hasten(): void {
    this.#deadline.abort(new DrainedError("the worker is being stopped"));
    for (const attempt of this.#attempts) attempt.abort(this.#deadline.signal.reason);
  }

  /** Resolves a moment after all were aborted and have ended. */
  async untilLastWords(): Promise<void> {
    const { signal } = this.#deadline;
    if (!signal.aborted) await once(signal, "abort");
    await Promise.all(Array.from(this.#attempts, ({ ended }) => ended));
    await pause(LAST_WORDS_MS, undefined, { ref: false });
  }

  /** Keeps nothing awake any more, and follows no configuration. */
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
