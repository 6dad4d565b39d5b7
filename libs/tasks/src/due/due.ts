import { createHash } from "node:crypto";
import { msOf, type Schedule } from "../calendar/schedule.ts";
import type { Spread } from "../definition/recurrence.ts";
import { newestCronDue, nextCronDue } from "./cron_due.ts";
import { newestRruleDue, nextRruleDue } from "./rrule_due.ts";

/** Greatest offset of an interval whose definition names no length, ms. So `every 1d` comes within the first hour of a day (UTC). */
const WIDEST_OFFSET_MS = 3_600_000;

/** Length over which the times of VOs are spread, ms; 0: they share their times. */
function spreadOver(schedule: Schedule, spread: Spread): number {
  if (spread === "none") return 0;
  const mostMs = schedule.kind === "interval" ? schedule.intervalMs : Number.POSITIVE_INFINITY;
  if (spread !== "interval") return Math.min(mostMs, msOf(spread));
  return schedule.kind === "interval" ? Math.min(mostMs, WIDEST_OFFSET_MS) : 0;
}

/**
 * Time by which a schedule is due after its own points, ms. It is always the same for the same key.
 *
 * Offsets are spread evenly, so that VOs do not all fire in the same second: by default over the interval or its first hour. A cron or rule has
 * none by default, since it states its times.
 */
export function steadyOffsetMs(schedule: Schedule, key: string, spread: Spread = "interval"): number {
  const overMs = spreadOver(schedule, spread);
  if (overMs < 1) return 0;
  return createHash("sha256").update(key).digest().readUIntBE(0, 6) % overMs;
}

/** A schedule with its own offset. */
export interface Grid {
  readonly schedule: Schedule;
  /** {@linkcode steadyOffsetMs}. */
  readonly offsetMs: number;
}

/**
 * The first due time after `after`; both in ms since the epoch. Infinity: a rule that has ended. Throws `InvalidScheduleError` for a cron
 * that is never due.
 */
export function nextDue({ schedule, offsetMs }: Grid, after: number): number {
  if (schedule.kind === "cron") return nextCronDue(schedule, after - offsetMs) + offsetMs;
  if (schedule.kind === "rrule") return nextRruleDue(schedule, after - offsetMs) + offsetMs;
  const { intervalMs } = schedule;
  return (Math.floor((after - offsetMs) / intervalMs) + 1) * intervalMs + offsetMs;
}

/** The last due time after `after` and up to `now`; undefined: none. It stands for all due times in between. */
export function newestDue(
  { schedule, offsetMs }: Grid,
  { after, now }: { readonly after: number; readonly now: number },
): number | undefined {
  if (schedule.kind === "interval") {
    const { intervalMs } = schedule;
    const newest = Math.floor((now - offsetMs) / intervalMs) * intervalMs + offsetMs;
    return newest > after ? newest : undefined;
  }
  const range = { after: after - offsetMs, now: now - offsetMs };
  const newest = schedule.kind === "cron" ? newestCronDue(schedule, range) : newestRruleDue(schedule, range);
  return newest === undefined ? undefined : newest + offsetMs;
}
