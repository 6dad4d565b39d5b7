import { createHash } from "node:crypto";
import type { Schedule } from "../definition/schedule.ts";
import { newestCronDue, nextCronDue } from "./cron_due.ts";

/** Greatest offset of an interval, ms. So `every 1d` comes within the first hour of a day (UTC). */
const WIDEST_OFFSET_MS = 3_600_000;

/**
 * Time by which an interval is due after the grid's own points, ms. It is always the same for the same key.
 *
 * Offsets are spread evenly over the interval or its first hour, so that VOs do not all fire in the same second. A cron has none: it states
 * its times.
 */
export function steadyOffsetMs(schedule: Schedule, key: string): number {
  if (schedule.kind === "cron") return 0;
  const number = createHash("sha256").update(key).digest().readUIntBE(0, 6);
  return number % Math.min(schedule.intervalMs, WIDEST_OFFSET_MS);
}

export interface Grid {
  readonly schedule: Schedule;
  /** Of an interval: {@linkcode steadyOffsetMs}. */
  readonly offsetMs: number;
}

/** The first due time after `after`; both in ms since the epoch. Throws `InvalidScheduleError` for a cron that is never due. */
export function nextDue({ schedule, offsetMs }: Grid, after: number): number {
  if (schedule.kind === "cron") return nextCronDue(schedule, after);
  const { intervalMs } = schedule;
  return (Math.floor((after - offsetMs) / intervalMs) + 1) * intervalMs + offsetMs;
}

/** The last due time after `after` and up to `now`; undefined: none. It stands for all due times in between. */
export function newestDue(
  { schedule, offsetMs }: Grid,
  range: { readonly after: number; readonly now: number },
): number | undefined {
  if (schedule.kind === "cron") return newestCronDue(schedule, range);
  const { intervalMs } = schedule;
  const newest = Math.floor((range.now - offsetMs) / intervalMs) * intervalMs + offsetMs;
  return newest > range.after ? newest : undefined;
}
