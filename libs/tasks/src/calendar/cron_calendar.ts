import type { CronRule } from "./cron_rule.ts";

/**
 * A reading of a wall clock, without a zone: the epoch milliseconds at which a clock set to UTC shows it.
 *
 * Arithmetic on it knows calendars and no zones, so its result does not depend on the process's TZ. `Cron.getNextDate` of cron-schedule
 * uses the process's own zone, and only looks five years ahead.
 */
export type WallMs = number;

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
const DAY_SECONDS = 86_400;
/** Greatest distance of the next match, ms. A leap day on a given weekday comes within 40 years, also over a century without a leap day. */
const HORIZON_MS = 41 * 366 * DAY_MS;

function matchesDay(rule: CronRule, day: WallMs): boolean {
  const date = new Date(day);
  const byDay = rule.days.has(date.getUTCDate());
  const byWeekday = rule.weekdays.has(date.getUTCDay());
  return rule.dayMatch === "both" ? byDay && byWeekday : byDay || byWeekday;
}

/** The first allowed second of a day that is not before `from`; both as seconds since midnight. */
function firstTime(rule: CronRule, from: number): number | undefined {
  for (const hour of rule.hours) {
    if ((hour + 1) * 3_600 <= from) continue;
    for (const minute of rule.minutes) {
      const start = hour * 3_600 + minute * 60;
      const second = start + 60 <= from ? undefined : rule.seconds.find((at) => start + at >= from);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}

/** The last allowed second of a day that is not after `to`; both as seconds since midnight. */
function lastTime(rule: CronRule, to: number): number | undefined {
  for (const hour of rule.hours.toReversed()) {
    if (hour * 3_600 > to) continue;
    for (const minute of rule.minutes.toReversed()) {
      const start = hour * 3_600 + minute * 60;
      const second = start > to ? undefined : rule.seconds.findLast((at) => start + at <= to);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}

/** The first reading after `after` that the rule allows; undefined where no date ever matches. */
export function nextWall(rule: CronRule, after: WallMs): WallMs | undefined {
  const from = Math.floor(after / SECOND_MS) * SECOND_MS + SECOND_MS;
  let day = Math.floor(from / DAY_MS) * DAY_MS;
  let second = (from - day) / SECOND_MS;
  while (day <= after + HORIZON_MS) {
    const date = new Date(day);
    if (!rule.months.has(date.getUTCMonth())) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
    } else {
      const time = matchesDay(rule, day) ? firstTime(rule, second) : undefined;
      if (time !== undefined) return day + time * SECOND_MS;
      day += DAY_MS;
    }
    second = 0;
  }
  return undefined;
}

/** The last reading that the rule allows from `notBefore` to `upTo`, both included. */
export function previousWall(rule: CronRule, upTo: WallMs, notBefore: WallMs): WallMs | undefined {
  let day = Math.floor(upTo / DAY_MS) * DAY_MS;
  let second = Math.floor((upTo - day) / SECOND_MS);
  while (day + DAY_MS > notBefore) {
    const date = new Date(day);
    if (!rule.months.has(date.getUTCMonth())) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 0);
    } else {
      const time = matchesDay(rule, day) ? lastTime(rule, second) : undefined;
      if (time !== undefined) return day + time * SECOND_MS >= notBefore ? day + time * SECOND_MS : undefined;
      day -= DAY_MS;
    }
    second = DAY_SECONDS - 1;
  }
  return undefined;
}
