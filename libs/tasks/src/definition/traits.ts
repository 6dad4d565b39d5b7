import type { RetryPolicy } from "./retry.ts";

/** Realtime before normal before background, strictly. */
export type Priority = "realtime" | "normal" | "background";
export const PRIORITIES: readonly Priority[] = ["realtime", "normal", "background"];

/** How much a run takes out of a worker: a small one is short and light, a large one may fill a process for minutes. */
export type Size = "small" | "medium" | "large";

/** Longest run by size, ms, unless the definition says otherwise. */
export const TIMEOUT_MS: Readonly<Record<Size, number>> = { small: 60_000, medium: 600_000, large: 3_600_000 };

/** What is settled about a task beside its name, payload, schedule and code. Each has a default. */
export interface TaskTraits {
  /** `"vo"`: one task belongs to one VO. Default `"all"`: its subject ends in `_`. */
  readonly per: "vo" | "all";
  /**
   * Raise it with a change of the payload that older workers cannot read, default 1: such a task waits for a worker of its version,
   * where an older one would refuse it.
   */
  readonly payloadVersion: number;
  /** Default `normal`. */
  readonly priority: Priority;
  /** Default `medium`. */
  readonly size: Size;
  /** Default `exponentialBackoff()`: five retries, then a dead letter. */
  readonly retry: RetryPolicy;
  /** Longest run, ms; default by size: 1 minute, 10 minutes, 1 hour. */
  readonly timeoutMs: number;
  /** Longest wait for a lock, ms; default 10 minutes. A longer wait fails the attempt. */
  readonly lockWaitMs: number;
}
