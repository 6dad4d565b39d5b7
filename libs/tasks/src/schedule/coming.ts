import type { Schedule } from "../calendar/schedule.ts";
import { temporal } from "../calendar/temporal.ts";
import { checkTimeZone } from "../calendar/time_zone.ts";
import { nextDue } from "../due/due.ts";
import { comingTimes } from "./schedule_table.ts";

/** The times of a schedule from `from` on, without any VO's own offset. Fewer than `times` where a rule ends. Asks no server. */
export function timesFrom(
  schedule: Schedule,
  { from, times }: { readonly from: Date; readonly times: number },
): Date[] {
  const grid = { schedule, offsetMs: 0 };
  return comingTimes(grid, nextDue(grid, from.getTime() - 1), times);
}

/** The time on a zone's clock, as `2027-03-28T03:30:00+02:00[Europe/Zurich]`. */
export function localTime(at: Date, timeZone: string): string {
  return temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone).toString();
}

/** The zone's name as IANA spells it. Throws `InvalidScheduleError`. */
export function readTimeZone(timeZone: string): string {
  return checkTimeZone(timeZone, timeZone);
}
