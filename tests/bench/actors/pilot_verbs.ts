import type { Drained } from "./verbs.ts";

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

/** Submissions that a peer makes, each a task of its own. */
export interface PeerSubmissions extends Submissions {
  /** The statement of a submission. Its values: CE, VO, task, and a number that the CE's success rate must exceed. */
  readonly statement: string;
  /** Number of tasks that run at the same time. */
  readonly concurrency: number;
}

/** What the process of a peer can do that submits pilots, one at a time for each CE in the way that the peer has for that. */
export interface PilotPeerVerbs {
  /** Puts a task for each submission into the peer's queues. CEs come in turn. */
  publish(load: Submissions): Promise<void>;
  /** Runs what was published until nothing is left, each submission as a transaction of its own. */
  submitAll(submissions: PeerSubmissions): Promise<Drained>;
}
