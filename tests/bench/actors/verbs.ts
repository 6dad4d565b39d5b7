/** A workload of equal tasks. */
export interface Load {
  readonly count: number;
  /** VOs of the tasks: in turn, or in one block for each VO. Default: one VO. */
  readonly vos?: readonly string[];
}

/** The payload of each task: about 150 bytes, like a real one, and the publish time. */
export type BenchPayload = {
  readonly number: number;
  /** Publish time by the machine's monotonic clock, µs; 0: nobody needs it. */
  readonly sentAtUs: number;
  readonly note: string;
};

/** The text that gives the payload its usual size. */
export const NOTE =
  "a placeholder job of one virtual organisation at one compute element of the grid, some hundred bytes";

/** What the publishing process of every contender can do. */
export interface PublisherVerbs {
  /** Publishes the load in bulk, in the contender's fastest way. Resolves when each task is acknowledged. */
  publish(load: Load): Promise<{ readonly tookMs: number }>;
  /** Publishes one task, pauses, and publishes the next. */
  trickle(load: Load & { readonly pauseMs: number }): Promise<void>;
}

export interface DrainRequest {
  readonly count: number;
  /** Number of tasks that run at the same time. */
  readonly concurrency: number;
  /** VOs of the tasks, for a contender with a queue for each. Default: one VO. */
  readonly vos?: readonly string[];
}

export interface Drained {
  /** Time from the start of the first task until the server's queue was empty, ms. */
  readonly tookMs: number;
}

/** What the working process of every contender can do. */
export interface WorkerVerbs {
  /** Starts a worker, lets it run `count` waiting tasks until none is left, and stops it. */
  drain(request: DrainRequest): Promise<Drained>;
  /** Starts a worker that waits for tasks. */
  listen(request: { readonly concurrency: number }): Promise<void>;
  /** Stops that worker. Returns the time from publish to start of each task, ms. */
  heard(): Promise<readonly number[]>;
}
