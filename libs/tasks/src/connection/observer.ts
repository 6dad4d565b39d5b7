/** One step of a task's life, as `EVENTS` and metrics tell it. */
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

export interface Step {
  readonly step: StepName;
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** One line on why, where there is a why. */
  readonly reason?: string;
  /** From stored to started for `started`, from started to this step for the others; ms. */
  readonly tookMs?: number;
}

/** Where the framework tells what it sees. Calls return at once and never throw; an app joins them to its log and metrics. */
export interface Observer {
  /** Something that an operator must know, and what was done about it. */
  alarm(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Something worth a line in the log. */
  note(message: string, details?: Readonly<Record<string, unknown>>): void;
  step(step: Step): void;
}

/** Tells nobody. */
export const silentObserver: Observer = { alarm() {}, note() {}, step() {} };
