/** A schedule that cannot be used: misspelt, out of range, or one that no day ever matches. */
export class InvalidScheduleError extends Error {
  override readonly name = "InvalidScheduleError";
  /** The schedule as it was given. */
  readonly schedule: string;
  /** What is wrong with it, without the schedule itself. */
  readonly problem: string;
  constructor(schedule: string, problem: string, options: { readonly cause?: unknown } = {}) {
    super(`Cannot use schedule ${JSON.stringify(schedule.slice(0, 200))}: ${problem}`, options);
    this.schedule = schedule;
    this.problem = problem;
  }
}
