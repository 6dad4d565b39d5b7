/** Submissions: their number, and the CEs that they go to in turn. */
export interface Submissions {
  readonly count: number;
  readonly ceNames: readonly string[];
}

export interface PilotPublisherVerbs {
  /** Adds the VO, and CEs with enough room for all pilots. */
  prepare(request: { readonly ceNames: readonly string[] }): Promise<void>;
  publish(load: Submissions): Promise<void>;
  /** Resolves when no task is stored any more, with the time of that. */
  untilEmpty(): Promise<{ readonly atUs: number }>;
  /** Runs the same transactions without locks and without a queue: one at a time on each CE, all CEs in parallel. */
  bare(load: Submissions): Promise<{ readonly tookMs: number }>;
}

export interface PilotWorkerVerbs {
  work(request: { readonly concurrency: number }): Promise<void>;
  /** Stops the worker. Returns the start of its first task; undefined: it had none. */
  stop(): Promise<{ readonly firstUs: number | undefined }>;
}
