import { createHash } from "node:crypto";
import type { Schedule } from "../definition/schedule.ts";
import { newestCronDue, nextCronDue } from "./cron_due.ts";

/** Offsets of an interval longer than this lie within it, ms: `every 1d` comes within the first hour of a day (UTC). */
const WIDEST_OFFSET_MS = 3_600_000;

/**
 * How far after the grid's own points an interval is due, ms: the same for the same key everywhere and always, and spread
 * evenly over the interval or its first hour, so that VOs do not all fire in the same second. A cron has none: it says when.
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

/** The first time after `after` that is due, both in ms since the epoch. Throws `InvalidScheduleError` for a cron that never is. */
export function nextDue({ schedule, offsetMs }: Grid, after: number): number {
  if (schedule.kind === "cron") return nextCronDue(schedule, after);
  const { intervalMs } = schedule;
  return (Math.floor((after - offsetMs) / intervalMs) + 1) * intervalMs + offsetMs;
}

/** The last time after `after` and up to `now` that was due, or undefined: whatever lay between has coalesced into it. */
export function newestDue(
  { schedule, offsetMs }: Grid,
  range: { readonly after: number; readonly now: number },
): number | undefined {
  if (schedule.kind === "cron") return newestCronDue(schedule, range);
  const { intervalMs } = schedule;
  const newest = Math.floor((range.now - offsetMs) / intervalMs) * intervalMs + offsetMs;
  return newest > range.after ? newest : undefined;
}
