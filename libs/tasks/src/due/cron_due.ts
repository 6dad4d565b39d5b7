// Tested by libs/tasks/src/due/due_test.ts
// Tested by libs/tasks/src/due/_answers_test.ts
import { nextWall, previousWall, type WallMs } from "../calendar/cron_calendar.ts";
import { type CronRule, readCronRule } from "../calendar/cron_rule.ts";
import { InvalidScheduleError } from "../calendar/invalid_schedule.ts";
import type { CronSchedule } from "../calendar/schedule.ts";
import { type ZonePeriod, zonePeriodAt } from "./zone_period.ts";

/*
 * When clocks change, two kinds of rules need different treatment. Its hours decide which kind a rule is.
 *
 * A RHYTHM allows every hour, such as `*\/15 * * * *`. It follows real time: each moment whose wall clock matches is due, in both passes of
 * an hour that comes twice.
 *
 * TIMES OF THE DAY, such as `30 2 * * *`, come once each. In an hour that comes twice they come in the first pass. Where the clock skips
 * one, it comes at the moment of the skip. So each reading of the wall clock stands for one moment, and later readings never stand for
 * earlier moments. Searching readings is searching moments.
 */

const HOURS_A_DAY = 24;
const HOUR_MS = 3_600_000;
/** Greatest lead of a zone's clock over UTC, ms. */
const MOST_AHEAD_MS = 15 * HOUR_MS;
/** Greatest difference between the distance of two readings and that of their moments, ms. */
const SLACK_MS = 48 * HOUR_MS;

const rules = new WeakMap<CronSchedule, CronRule>();

function ruleOf(schedule: CronSchedule): CronRule {
  const known = rules.get(schedule);
  if (known !== undefined) return known;
  const rule = readCronRule(schedule.expression);
  rules.set(schedule, rule);
  return rule;
}

function isRhythm(rule: CronRule): boolean {
  return rule.hours.length === HOURS_A_DAY;
}

/** The moment that a reading stands for: the first at which the clock shows it, or has skipped it. */
function momentOf(timeZone: string, wall: WallMs): number {
  let period = zonePeriodAt(timeZone, wall - MOST_AHEAD_MS);
  while (wall - period.offsetMs >= period.endAt) period = zonePeriodAt(timeZone, period.endAt);
  return Math.max(wall - period.offsetMs, period.startAt);
}

/** The latest reading that the clock has shown or skipped up to `at`. In the second pass of an hour, that is the hour's end. */
function latestShown(timeZone: string, at: number): WallMs {
  const { startAt, offsetMs } = zonePeriodAt(timeZone, at);
  if (startAt === Number.NEGATIVE_INFINITY) return at + offsetMs;
  return Math.max(at + offsetMs, startAt - 1 + zonePeriodAt(timeZone, startAt - 1).offsetMs);
}

function neverDue({ expression }: CronSchedule): InvalidScheduleError {
  return new InvalidScheduleError(expression, "no date ever matches its day and month");
}

function nextOfRhythm(schedule: CronSchedule, rule: CronRule, after: number): number {
  let period = zonePeriodAt(schedule.timeZone, after);
  let from: WallMs = after + period.offsetMs;
  for (;;) {
    const wall = nextWall(rule, from);
    if (wall === undefined) throw neverDue(schedule);
    if (wall - period.offsetMs < period.endAt) return wall - period.offsetMs;
    period = zonePeriodAt(schedule.timeZone, period.endAt);
    from = period.startAt + period.offsetMs - 1;
  }
}

/** The first due moment after `after`, ms since the epoch. Throws `InvalidScheduleError` if there is none. */
export function nextCronDue(schedule: CronSchedule, after: number): number {
  const rule = ruleOf(schedule);
  if (isRhythm(rule)) return nextOfRhythm(schedule, rule, after);
  const wall = nextWall(rule, latestShown(schedule.timeZone, after));
  if (wall === undefined) throw neverDue(schedule);
  return momentOf(schedule.timeZone, wall);
}

/** The last reading that the rule allows, in the part of `period` after `after` and up to `now`, as a moment. */
function newestInPeriod(
  rule: CronRule,
  period: ZonePeriod,
  { after, now }: { after: number; now: number },
): number | undefined {
  const notBefore = Math.max(period.startAt, after + 1) + period.offsetMs;
  const wall = previousWall(rule, now + period.offsetMs, notBefore);
  return wall === undefined ? undefined : wall - period.offsetMs;
}

function newestOfRhythm(
  schedule: CronSchedule,
  rule: CronRule,
  { after, now }: { after: number; now: number },
): number | undefined {
  for (let upTo = now; upTo > after; ) {
    const period = zonePeriodAt(schedule.timeZone, upTo);
    const newest = newestInPeriod(rule, period, { after, now: upTo });
    if (newest !== undefined) return newest;
    upTo = period.startAt - 1;
  }
  return undefined;
}

/** The last due moment after `after` and up to `now`; undefined: none. */
export function newestCronDue(
  schedule: CronSchedule,
  range: { readonly after: number; readonly now: number },
): number | undefined {
  const rule = ruleOf(schedule);
  if (isRhythm(rule)) return newestOfRhythm(schedule, rule, range);
  const { after, now } = range;
  const wall = previousWall(rule, latestShown(schedule.timeZone, now), after - SLACK_MS);
  if (wall === undefined) return undefined;
  const at = momentOf(schedule.timeZone, wall);
  return at > after ? at : undefined;
}
