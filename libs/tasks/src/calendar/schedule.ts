// Tested by libs/tasks/src/calendar/schedule_text_test.ts
// Tested by libs/tasks/src/due/due_test.ts
import { nextWall } from "./cron_calendar.ts";
import { readCronRule } from "./cron_rule.ts";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { checkTimeZone } from "./time_zone.ts";

/** When a periodic task is due. Made by `every`, `cron` or `rrule`. */
export type Schedule = IntervalSchedule | CronSchedule | RruleSchedule;

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

/** Due as a recurrence rule of RFC 5545 says, on the wall clock of a time zone. */
export interface RruleSchedule {
  readonly kind: "rrule";
  /** The rule in its one form, with UNTIL in UTC: equal rules have equal texts. */
  readonly rule: string;
  /** Its start on the wall clock of the zone, as `2027-01-04T06:00:00`. */
  readonly start: string;
  /** IANA name, default `UTC`. */
  readonly timeZone: string;
}

/** Length of an interval; its parts add up. */
export interface Interval {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
}

const SHORTEST_MS = 1_000;
const LONGEST_MS = 366 * 86_400_000;

/** An interval's length, ms, rounded; `NaN` where a part is none. */
export function msOf({ days = 0, hours = 0, minutes = 0, seconds = 0 }: Interval): number {
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000);
}

/**
 * A fixed interval from 1 second to 366 days, in whole milliseconds.
 *
 * Its times lie on a grid that starts at the epoch, whenever the scheduler was started and however long a run took. Each VO has
 * its own steady offset on that grid, up to an hour, so that VOs do not all fire at once.
 *
 * Throws {@linkcode InvalidScheduleError}.
 *
 * ```ts
 * const schedule = every({ seconds: 30 });
 * ```
 */
export function every(interval: Interval): IntervalSchedule {
  const { days = 0, hours = 0, minutes = 0, seconds = 0 } = interval;
  const intervalMs = msOf(interval);
  const given = `every ${JSON.stringify(interval)}`;
  if (![days, hours, minutes, seconds].every((part) => Number.isFinite(part) && part >= 0)) {
    throw new InvalidScheduleError(given, "each part must be a number from 0");
  }
  if (intervalMs < SHORTEST_MS || intervalMs > LONGEST_MS) {
    throw new InvalidScheduleError(given, "an interval lasts from 1 second to 366 days");
  }
  return { kind: "interval", intervalMs };
}

/**
 * Due whenever the wall clock of `timeZone` (IANA name, default `UTC`) matches `expression`: minute, hour, day of month, month
 * and day of week, or a second before these. Lists, ranges, steps and English names (`mon`, `jan`) work; 0 and 7 are Sunday.
 *
 * A day must match both day fields if one of them begins with `*`, otherwise either is enough, as in Vixie cron.
 *
 * When clocks change, an expression that allows every hour follows real time: `*\/15 * * * *` neither pauses nor comes twice. Any other
 * expression names times of the day, and each comes once. A time that the clock skips comes at the skip. A time that it shows twice comes
 * the first time.
 *
 * Throws {@linkcode InvalidScheduleError} for an expression that is misspelt or never due, such as `0 0 31 2 *`.
 *
 * ```ts
 * const schedule = cron("30 2 * * mon-fri", { timeZone: "Europe/Zurich" });
 * ```
 */
export function cron(expression: string, { timeZone = "UTC" }: { readonly timeZone?: string } = {}): CronSchedule {
  const rule = readCronRule(expression);
  if (nextWall(rule, 0) === undefined)
    throw new InvalidScheduleError(expression, "no date ever matches its day and month");
  return {
    kind: "cron",
    expression: expression.trim().replaceAll(/\s+/g, " "),
    timeZone: checkTimeZone(expression, timeZone),
  };
}
