import type { Drained, DrainRequest, Load, PublisherVerbs, WorkerVerbs } from "./verbs.ts";

/** A load of one of Muster's tasks. */
export type MusterLoad = Load &
  (
    | { readonly task?: "NoOpTask" | "RealtimeTask" }
    /** Time for which each task holds its permit, ms. */
    | { readonly task: "HeldTask"; readonly holdMs: number }
    /** Number of mutexes of each task. */
    | { readonly task: "LockedTask"; readonly locks: number }
  );

export interface MusterPublisherVerbs extends PublisherVerbs {
  publish(load: MusterLoad): Promise<{ readonly tookMs: number }>;
  trickle(load: MusterLoad & { readonly pauseMs: number }): Promise<void>;
  /** Adds these VOs to the configuration. */
  configure(request: { readonly vos: readonly string[] }): Promise<void>;
  /** Resolves when no task is stored any more, with the time of that. */
  untilEmpty(): Promise<{ readonly atUs: number }>;
  /** Removes all waiting tasks. */
  purge(): Promise<void>;
}

export interface MusterDrained extends Drained {
  /** Jain's index over the VOs, for each 1,000 tasks in a row. */
  readonly fairness: readonly number[];
}

export interface MusterWorkerVerbs extends WorkerVerbs {
  drain(request: DrainRequest): Promise<MusterDrained>;
  /** Returns the start of the first task since the last `listen`; undefined: no task has started. */
  firstStart(): Promise<{ readonly atUs: number | undefined }>;
}
