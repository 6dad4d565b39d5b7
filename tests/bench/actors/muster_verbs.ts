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
  /** Publishes so many tasks a second, without waiting for one before the next. Resolves when each is acknowledged. */
  arrive(load: MusterLoad & { readonly perS: number }): Promise<void>;
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

/** The subject of the starts that a worker tells; see `listen`. */
export const STARTS = "bench.starts";

/** The start of one task. */
export interface ToldStart {
  readonly number: number;
  /** Time from publish to start, ms. */
  readonly afterMs: number;
}

export interface MusterWorkerVerbs extends WorkerVerbs {
  /** With `tell` each start is also published at once, as a {@linkcode ToldStart}, so that it is known of a worker that is killed. */
  listen(request: { readonly concurrency: number; readonly tell?: boolean }): Promise<void>;
  /** Resolves when so many tasks with a publish time have started since `listen`. Else the last one would meet the end of `heard`. */
  timed(request: { readonly count: number }): Promise<void>;
  drain(request: DrainRequest): Promise<MusterDrained>;
  /** Returns the start of the first task since the last `listen`; undefined: no task has started. */
  firstStart(): Promise<{ readonly atUs: number | undefined }>;
}
