/** When a periodic task is due. Made by `every` or `cron`. */
export type Schedule = IntervalSchedule | CronSchedule;

/** Due on a fixed grid: epoch + k x interval + the VO's own steady offset. */
export interface IntervalSchedule {
  readonly kind: "interval";
  /** At least 1,000 ms. */
  readonly intervalMs: number;
}

/** Due when the wall clock of a time zone matches an expression of five fields, or six with seconds first. */
export interface CronSchedule {
  readonly kind: "cron";
  readonly expression: string;
  /** IANA name, default `UTC`. */
  readonly timeZone: string;
}
