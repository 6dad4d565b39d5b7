// Tested by libs/tasks/src/due/due_test.ts
// Tested by libs/tasks/src/due/_answers_test.ts
import { nextWall, previousWall, type WallMs } from "../definition/cron_calendar.ts";
import { type CronRule, readCronRule } from "../definition/cron_rule.ts";
import { InvalidScheduleError } from "../definition/invalid_schedule.ts";
import type { CronSchedule } from "../definition/schedule.ts";
import { type ZonePeriod, zonePeriodAt } from "./zone_period.ts";

/*
 * When clocks change, two kinds of rule want different things, and which kind a rule is follows from its hours.
 *
 * A RHYTHM allows every hour, such as `*\/15 * * * *`. It goes by real time: each moment whose wall clock matches is due, in both
 * passes of an hour that comes twice.
 * TIMES OF THE DAY, such as `30 2 * * *`, come once each: in the first pass of an hour that comes twice, and where the clock skips
 * them at the moment at which it has skipped. So each reading of the wall clock stands for one moment, and later readings never
 * stand for earlier moments; searching readings is searching moments.
 */

const HOURS_A_DAY = 24;
const HOUR_MS = 3_600_000;
/** No zone is further ahead of UTC. */
const MOST_AHEAD_MS = 15 * HOUR_MS;
/** No two readings of the wall clock stand for moments further apart than they are themselves, plus this. */
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

/** The moment for which a reading stands: the first at which the clock shows it, or has skipped it. */
function momentOf(timeZone: string, wall: WallMs): number {
  let period = zonePeriodAt(timeZone, wall - MOST_AHEAD_MS);
  while (wall - period.offsetMs >= period.endAt) period = zonePeriodAt(timeZone, period.endAt);
  return Math.max(wall - period.offsetMs, period.startAt);
}

/** The latest reading that the clock has shown or skipped up to `at`: in the second pass of an hour, that hour's end. */
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

/** The first moment after `after` at which the schedule is due, ms since the epoch. Throws `InvalidScheduleError` if there is none. */
export function nextCronDue(schedule: CronSchedule, after: number): number {
  const rule = ruleOf(schedule);
  if (isRhythm(rule)) return nextOfRhythm(schedule, rule, after);
  const wall = nextWall(rule, latestShown(schedule.timeZone, after));
  if (wall === undefined) throw neverDue(schedule);
  return momentOf(schedule.timeZone, wall);
}

/** The last reading in the part of `period` after `after` and up to `now` that the rule allows, as a moment. */
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

/** The last moment after `after` and up to `now` at which the schedule is due, or undefined. */
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
