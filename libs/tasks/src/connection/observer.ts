import type { Tracing } from "./tracing.ts";

/** One step of a task's life, as `EVENTS` and metrics show it. */
export type StepName =
  | "started"
  | "done"
  | "retry"
  | "dead"
  | "dropped"
  | "cancelled"
  | "refused"
  | "contended"
  | "abandoned"
  | "duplicate";

/** One step of a task's life. */
export interface Step {
  readonly step: StepName;
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** One line on the reason, where there is one. */
  readonly reason?: string;
  /** For `started` the time since the task was stored, for other steps the time since `started`; ms. */
  readonly tookMs?: number;
  /** The trace that the task belongs to; absent: none. */
  readonly traceId?: string;
}

/** The severity of a line that a run writes. */
export type LineLevel = "debug" | "info" | "warn" | "error";

/** A line that a run has written with `run.log`. */
export interface RunLine extends Pick<Step, "task" | "vo" | "taskId" | "attempt" | "traceId"> {
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: object;
  /** Message and fields in one line of at most 1 KiB. */
  readonly text: string;
}

/** What a run had of its locks, told once at its end. */
export interface LocksHeld {
  readonly task: string;
  /** The types of the locks, in their order; `_task` is that of a limiter of the task's settings. */
  readonly lockTypes: readonly string[];
  /** From the first try until all were held, ms. */
  readonly waitedMs: number;
  /** From then until they were let go, ms. */
  readonly heldMs: number;
  /** The type of the lock whose lease was lost, so that the run was abandoned; absent: none. */
  readonly lost?: string;
}

/** An occurrence of a schedule that was published. */
export interface PublishedOccurrence {
  readonly task: string;
  readonly vo: string;
  /** From its due time until it was stored, ms, by the broker's clock. */
  readonly lagMs: number;
}

/** Where the framework reports what it sees. Calls return at once and never throw. An app connects them to its log and metrics. */
export interface Observer {
  /** Something that an operator must know, and what was done about it. */
  alarm(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Something worth a line in the log. */
  note(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** A task has made a step. */
  step(step: Step): void;
  /** A run has written a line. */
  line?(line: RunLine): void;
  /** Takes passwords and the like out of a text that others will read. Absent: it is told as it is. */
  redact?(text: string): string;
  /** A run has let its locks go. */
  locks?(held: LocksHeld): void;
  /** The leading scheduler has published an occurrence. */
  occurrence?(published: PublishedOccurrence): void;
  /** The VOs that are configured, at the start and at each change. */
  vos?(names: readonly string[]): void;
  /** Makes the spans of traces. Absent: there are none, and they cost nothing. */
  readonly tracing?: Tracing;
}

/** Tells nobody. */
export const silentObserver: Observer = { alarm() {}, note() {}, step() {} };
