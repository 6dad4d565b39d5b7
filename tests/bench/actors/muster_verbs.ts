import type { Drained, DrainRequest, Load, PublisherVerbs, WorkerVerbs } from "./verbs.ts";

/** A load of one of Muster's own tasks. */
export type MusterLoad = Load &
  (
    | { readonly task?: "NoOpTask" | "RealtimeTask" }
    /** Each holds its permit for so long, ms. */
    | { readonly task: "HeldTask"; readonly holdMs: number }
    /** Each takes so many mutexes. */
    | { readonly task: "LockedTask"; readonly locks: number }
  );

export interface MusterPublisherVerbs extends PublisherVerbs {
  publish(load: MusterLoad): Promise<{ readonly tookMs: number }>;
  trickle(load: MusterLoad & { readonly pauseMs: number }): Promise<void>;
  /** Lets these VOs take part. */
  configure(request: { readonly vos: readonly string[] }): Promise<void>;
  /** Settles when no task is stored any more, with the time of it. */
  untilEmpty(): Promise<{ readonly atUs: number }>;
  /** Removes all waiting tasks. */
  purge(): Promise<void>;
}

export interface MusterDrained extends Drained {
  /** Jain's index over the VOs of each 1,000 tasks one after the other. */
  readonly fairness: readonly number[];
}

export interface MusterWorkerVerbs extends WorkerVerbs {
  drain(request: DrainRequest): Promise<MusterDrained>;
  /** When the first task since the last `listen` started; undefined: none has. */
  firstStart(): Promise<{ readonly atUs: number | undefined }>;
}
