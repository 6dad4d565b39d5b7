/** A workload of equal tasks. */
export interface Load {
  readonly count: number;
  /** The tasks go to the VOs in turn, or in one block each. Default: one VO. */
  readonly vos?: readonly string[];
}

/** The payload of each task: what a real one may hold, some 150 bytes, and when it was published. */
export type BenchPayload = {
  readonly number: number;
  /** On the machine's monotonic clock, microseconds; 0 where nobody asks. */
  readonly sentAtUs: number;
  readonly note: string;
};

/** The text that makes the payload as large as a usual one. */
export const NOTE =
  "a placeholder job of one virtual organisation at one compute element of the grid, some hundred bytes";

/** What every contender's publishing process can do. */
export interface PublisherVerbs {
  /** Publishes the load in bulk as the contender does it best; resolves when each task is acknowledged. */
  publish(load: Load): Promise<{ readonly tookMs: number }>;
  /** Publishes one task, pauses, publishes the next. */
  trickle(load: Load & { readonly pauseMs: number }): Promise<void>;
}

export interface DrainRequest {
  readonly count: number;
  /** Tasks that run at the same time. */
  readonly concurrency: number;
}

export interface Drained {
  /** From the start of the first task until the queue was empty at its server. */
  readonly tookMs: number;
}

/** What every contender's working process can do. */
export interface WorkerVerbs {
  /** Starts a worker, lets it run `count` waiting tasks until none is left, and stops it. */
  drain(request: DrainRequest): Promise<Drained>;
  /** Starts a worker that waits for tasks. */
  listen(request: { readonly concurrency: number }): Promise<void>;
  /** Stops that worker and answers how long each task took from its publish to its start, ms. */
  heard(): Promise<readonly number[]>;
}
