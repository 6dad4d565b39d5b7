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
}

/** Where the framework reports what it sees. Calls return at once and never throw. An app connects them to its log and metrics. */
export interface Observer {
  /** Something that an operator must know, and what was done about it. */
  alarm(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Something worth a line in the log. */
  note(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** A task has made a step. */
  step(step: Step): void;
}

/** Tells nobody. */
export const silentObserver: Observer = { alarm() {}, note() {}, step() {} };
