// Tested by libs/tasks/src/due/rrule_due_test.ts
import { type CompiledRrule, compiledRrule } from "../calendar/rrule.ts";
import { END_OF_TIME } from "../calendar/rrule_steps.ts";
import type { RruleSchedule } from "../calendar/schedule.ts";
import type { WallMs } from "../calendar/cron_calendar.ts";
import { temporal } from "../calendar/temporal.ts";
import { type ZonePeriod, zonePeriodAt } from "./zone_period.ts";

/*
 * A rule gives readings of a wall clock. They become moments in each stretch of time in which the zone's clock runs evenly.
 *
 * STEPS are rules of hours, minutes and seconds. They count real time from their start, so in each stretch the start is read on that
 * stretch's clock. What they allow is decided by the wall clock.
 *
 * DAYS are all other rules. A reading that the clock shows twice counts the first time. One that it skips counts by the clock from before the
 * skip, as RFC 5545 says in section 3.3.5: half past two becomes half past three.
 */

const HOUR_MS = 3_600_000;
/** Greatest difference between a zone's clocks, and between two of its clocks, ms. */
const SLACK_MS = 26 * HOUR_MS;
/** Greatest number of stretches in one search. */
const MOST_PERIODS = 1_000;

/** A range of readings within one stretch, and what is to be taken off them for their moments. */
interface Part {
  readonly from: WallMs;
  /** Excluded. */
  readonly to: WallMs;
  readonly offsetMs: number;
}

/** What makes moments of a rule. */
interface Times {
  next(after: number): number;
  newest(range: { readonly after: number; readonly now: number }): number | undefined;
}

/** The clock's lead before `period`, ms; undefined where it is the first. */
function offsetBefore(timeZone: string, { startAt }: ZonePeriod): number | undefined {
  return startAt === Number.NEGATIVE_INFINITY ? undefined : zonePeriodAt(timeZone, startAt - 1).offsetMs;
}

/** The parts of `period` whose readings count there. */
function partsOf(timeZone: string, period: ZonePeriod, isSteps: boolean): readonly Part[] {
  const { startAt, endAt, offsetMs } = period;
  const whole: Part = { from: startAt + offsetMs, to: endAt + offsetMs, offsetMs };
  const before = isSteps ? undefined : offsetBefore(timeZone, period);
  if (before === undefined || before === offsetMs) return [whole];
  if (before > offsetMs) return [{ ...whole, from: startAt + before }];
  return [whole, { from: startAt + before, to: startAt + offsetMs, offsetMs: before }];
}

/** The moment of the start: where its clock shows it twice, the first; where it skips it, as much later. */
function startMoment({ start, timeZone }: RruleSchedule): number {
  return temporal.PlainDateTime.from(start).toZonedDateTime(timeZone).epochMilliseconds;
}

/** The moments of a rule without COUNT. */
function uncounted(schedule: RruleSchedule, rule: CompiledRrule): Times {
  const { timeZone } = schedule;
  const isSteps = rule.unitMs !== undefined;
  const startAt = startMoment(schedule);
  const wallsIn = ({ offsetMs }: ZonePeriod) => rule.walls(startAt + offsetMs);

  function next(given: number): number {
    if (given >= END_OF_TIME) return Number.POSITIVE_INFINITY;
    const after = Math.max(given, (isSteps ? startAt : startAt - SLACK_MS) - 1);
    let period = zonePeriodAt(timeZone, after);
    for (let count = 0; count < MOST_PERIODS; count++) {
      const walls = wallsIn(period);
      let found = Number.POSITIVE_INFINITY;
      let following: WallMs | undefined;
      for (const { from, to, offsetMs } of partsOf(timeZone, period, isSteps)) {
        const wall = walls.next(Math.max(from, after + 1 + offsetMs));
        if (wall === undefined) continue;
        if (wall < to) found = Math.min(found, wall - offsetMs);
        else following = Math.min(following ?? wall, wall);
      }
      if (found < Number.POSITIVE_INFINITY) return found > rule.untilAt ? Number.POSITIVE_INFINITY : found;
      if (following === undefined || period.endAt === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
      if (period.endAt > rule.untilAt) return Number.POSITIVE_INFINITY;
      period = zonePeriodAt(timeZone, Math.max(period.endAt, following - SLACK_MS));
    }
    return Number.POSITIVE_INFINITY;
  }

  function newest({ after, now }: { readonly after: number; readonly now: number }): number | undefined {
    let upTo = Math.min(now, rule.untilAt);
    for (let count = 0; upTo > after && count < MOST_PERIODS; count++) {
      const period = zonePeriodAt(timeZone, upTo);
      const walls = wallsIn(period);
      let found = Number.NEGATIVE_INFINITY;
      let earlier: WallMs | undefined;
      for (const { from, to, offsetMs } of partsOf(timeZone, period, isSteps)) {
        const wall = walls.previous(Math.min(to - 1, upTo + offsetMs));
        if (wall === undefined) continue;
        if (wall >= from) found = Math.max(found, wall - offsetMs);
        else earlier = Math.max(earlier ?? wall, wall);
      }
      if (found > Number.NEGATIVE_INFINITY) return found > after ? found : undefined;
      if (earlier === undefined) return undefined;
      upTo = Math.min(period.startAt - 1, earlier + SLACK_MS);
    }
    return undefined;
  }
  return { next, newest };
}

/** The moments of a rule with COUNT: all of them, computed once. */
function counted(all: Times, startAt: number, count: number): Times {
  const moments: number[] = [];
  for (
    let at = all.next(startAt - SLACK_MS);
    at < Number.POSITIVE_INFINITY && moments.length < count;
    at = all.next(at)
  )
    moments.push(at);
  return {
    next: (after) => moments.find((at) => at > after) ?? Number.POSITIVE_INFINITY,
    newest({ after, now }) {
      const newest = moments.findLast((at) => at <= now);
      return newest !== undefined && newest > after ? newest : undefined;
    },
  };
}

const known = new WeakMap<RruleSchedule, Times>();

function timesOf(schedule: RruleSchedule): Times {
  const made = known.get(schedule);
  if (made !== undefined) return made;
  const rule = compiledRrule(schedule);
  const all = uncounted(schedule, rule);
  const { count } = rule.parts;
  const times = count === undefined ? all : counted(all, startMoment(schedule), count);
  known.set(schedule, times);
  return times;
}

/** The first due moment after `after`, ms since the epoch; Infinity: the rule has ended, or its next time is centuries away. */
export function nextRruleDue(schedule: RruleSchedule, after: number): number {
  return timesOf(schedule).next(after);
}

/** The last due moment after `after` and up to `now`; undefined: none. */
export function newestRruleDue(
  schedule: RruleSchedule,
  range: { readonly after: number; readonly now: number },
): number | undefined {
  return timesOf(schedule).newest(range);
}
