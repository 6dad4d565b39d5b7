import type { EndOutcome, KeptResult } from "./kept_result.ts";

/** The task whose result is waited for has ended, and is not done. */
export class TaskNotDoneError extends Error {
  override readonly name = "TaskNotDoneError";
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly outcome: Exclude<EndOutcome, "done">;
  readonly attempt: number;
  /** The newest error of its attempts, one line; null where there is none. */
  readonly error: string | null;
  constructor(taskId: string, { task, vo, outcome, attempt, error }: KeptResult) {
    super(
      `Cannot return the result of ${task} ${JSON.stringify(taskId)}: attempt ${attempt} ended ${outcome}${error === null ? "" : `, ${error}`}`,
    );
    this.taskId = taskId;
    this.task = task;
    this.vo = vo;
    this.outcome = outcome === "done" ? "dead" : outcome;
    this.attempt = attempt;
    this.error = error;
  }
}

/** The task did not end in the time that its waiter had. It goes on all the same. */
export class ResultTimeoutError extends Error {
  override readonly name = "ResultTimeoutError";
  readonly taskId: string;
  readonly timeoutMs: number;
  constructor(taskId: string, timeoutMs: number, cause: unknown) {
    super(
      `Cannot return the result of ${JSON.stringify(taskId)}: it did not end in ${timeoutMs} ms; wait longer, or look with \`muster task show\``,
      { cause },
    );
    this.taskId = taskId;
    this.timeoutMs = timeoutMs;
  }
}

/** Nobody has asked that the task's result be kept. */
export class ResultNotKeptError extends Error {
  override readonly name = "ResultNotKeptError";
  readonly taskId: string;
  constructor(taskId: string, task: string) {
    super(
      `Cannot wait for the result of ${task} ${JSON.stringify(taskId)}: nobody asked to keep it; publish it with keepResult, or give its definition one`,
    );
    this.taskId = taskId;
  }
}

/** The task neither waits nor runs, and no result of it is kept. */
export class ResultGoneError extends Error {
  override readonly name = "ResultGoneError";
  readonly taskId: string;
  constructor(taskId: string) {
    super(
      `Cannot return the result of ${JSON.stringify(taskId)}: the task neither waits nor runs, and no result is kept; it ended and its result has lapsed, nobody asked to keep it, or its message was removed`,
    );
    this.taskId = taskId;
  }
}
