import type { RetryPolicy } from "./retry.ts";

/** Strict order: realtime before normal before background. */
export type Priority = "realtime" | "normal" | "background";
export const PRIORITIES: readonly Priority[] = ["realtime", "normal", "background"];

/** What a run costs a worker. A small one is short and light; a large one may fill a process for minutes. */
export type Size = "small" | "medium" | "large";

/** Longest run by size, ms, unless the definition says otherwise. */
export const TIMEOUT_MS: Readonly<Record<Size, number>> = { small: 60_000, medium: 600_000, large: 3_600_000 };

/** Further properties of a task. Each has a default. */
export interface TaskTraits {
  /** `"vo"`: one task belongs to one VO. Default `"all"`: its subject ends in `_`. */
  readonly per: "vo" | "all";
  /**
   * Default 1. Raise it with a change of the payload that older workers cannot read. A task of a higher version waits for a worker that
   * knows it; otherwise an older worker would refuse it.
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
