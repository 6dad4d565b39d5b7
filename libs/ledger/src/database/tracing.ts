/** A span under way: a statement or a transaction. */
export interface DatabaseSpan {
  /** Ends it; `error`: it has failed. */
  end(error?: unknown): void;
}

/** The span of a transaction, and those of its statements below it. */
export interface TransactionSpan extends DatabaseSpan {
  /** Begins the span of a statement. Its values are not told. */
  statement(text: string): DatabaseSpan;
}

/** Headers of a task, by name. */
export type TraceHeaders = Readonly<Record<string, string>>;

/** Makes the spans of what the database is asked. An app gives it where traces are wanted. Calls never throw. */
export interface DatabaseTracing {
  /** Begins the span of a transaction, below the caller's. */
  transaction(): TransactionSpan;
  /** Begins the span of a statement outside a transaction, below the caller's. */
  statement(text: string): DatabaseSpan;
  /** The headers by which a task that is published in a transaction goes on with the caller's trace; empty where there is none. */
  headers(): TraceHeaders;
}
