import type { OwnHeaders } from "../format/own_headers.ts";

/** What a span tells of. */
export interface SpanStart {
  /**
   * `process`: a worker has a message, from its first look to its settling. `locks`: the task waits for its locks.
   */
  readonly kind: "process" | "locks";
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** Headers of the message that it follows from. Absent: it stands below the present span. */
  readonly headers?: OwnHeaders;
  /** When it began, by `performance.now()`. Default: now. */
  readonly beganAtMs?: number;
  /** Keys of the locks. */
  readonly keys?: readonly string[];
}

/** A span under way. */
export interface Span {
  /** The headers by which a message goes on with this span's trace. */
  readonly headers: OwnHeaders;
  /** Runs `work` so that spans which begin in it, and in all that it starts, stand below this one. */
  within<Result>(work: () => Result): Result;
  /** Ends it; `error`: what it is about has failed. Later calls do nothing. */
  end(error?: unknown): void;
}

/**
 * Makes the spans of what a worker does. Those of publishing are a middleware's. An app gives one where traces are wanted. Calls return at once and never throw.
 *
 * The steps of a task are told to the observer within its `process` span.
 */
export interface Tracing {
  /** Begins a span. */
  begin(start: SpanStart): Span;
}
