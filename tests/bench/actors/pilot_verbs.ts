/** Submissions: so many in all, to these CEs in turn. */
export interface Submissions {
  readonly count: number;
  readonly ceNames: readonly string[];
}

export interface PilotPublisherVerbs {
  /** Adds CEs with room for everything, and the VO. */
  prepare(request: { readonly ceNames: readonly string[] }): Promise<void>;
  publish(load: Submissions): Promise<void>;
  /** Settles when no task is stored any more, with the time of it. */
  untilEmpty(): Promise<{ readonly atUs: number }>;
  /** Runs the same transactions with no lock and no queue: one after the other on each CE, all CEs side by side. */
  bare(load: Submissions): Promise<{ readonly tookMs: number }>;
}

export interface PilotWorkerVerbs {
  work(request: { readonly concurrency: number }): Promise<void>;
  /** Stops the worker; returns when its first task started, undefined where it had none. */
  stop(): Promise<{ readonly firstUs: number | undefined }>;
}
