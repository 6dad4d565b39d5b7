// Tested by libs/tasks/src/calendar/rrule_test.ts
import type { WallMs } from "./cron_calendar.ts";
import type { Frequency, RruleParts } from "./rrule_parts.ts";

/*
 * Rules of the frequencies HOURLY, MINUTELY and SECONDLY. Their periods follow each other at a steady distance, so they are computed. A search
 * leaps over days, hours and minutes that the rule does not allow, and takes a bounded number of steps.
 */

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Partial<Record<Frequency, number>>> = {
  HOURLY: HOUR_MS,
  MINUTELY: MINUTE_MS,
  SECONDLY: SECOND_MS,
};
/** Beginning of the first year that has five digits. What comes then counts as never. */
export const END_OF_TIME: WallMs = Date.UTC(10_000, 0, 1);
/** Greatest number of steps of one search: over a century of days that do not match. What is later counts as never. */
const MOST_STEPS = 50_000;

/** Length of a period of the rule, ms; undefined: its periods are days or longer. */
export function stepUnitMs({ frequency }: RruleParts): number | undefined {
  return UNIT_MS[frequency];
}

/** Whether the list allows `value`. An empty list allows all. */
function allows(list: readonly number[], value: number): boolean {
  return list.length === 0 || list.includes(value);
}

/** Whether the list allows the day `value` of `count` days, by its number or by the one from the end: -1 is the last. */
function allowsOf(list: readonly number[], value: number, count: number): boolean {
  return allows(list, value) || list.includes(value - count - 1);
}

function allowsDay(parts: RruleParts, at: WallMs): boolean {
  const date = new Date(at);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  if (!allows(parts.BYMONTH, month + 1)) return false;
  if (!allowsOf(parts.BYMONTHDAY, date.getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate())) return false;
  if (parts.BYDAY.length > 0 && !parts.BYDAY.some(({ weekday }) => weekday === date.getUTCDay())) return false;
  if (parts.BYYEARDAY.length === 0) return true;
  const [first, next] = [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)];
  return allowsOf(parts.BYYEARDAY, Math.floor((at - first) / DAY_MS) + 1, (next - first) / DAY_MS);
}

/** The times within one period, as ms after its beginning. */
function timesWithin(parts: RruleParts, unitMs: number, anchor: WallMs): readonly number[] {
  const date = new Date(anchor);
  const seconds = parts.BYSECOND.length > 0 ? parts.BYSECOND : [date.getUTCSeconds()];
  const minutes = parts.BYMINUTE.length > 0 ? parts.BYMINUTE : [date.getUTCMinutes()];
  let times: readonly number[] = [0];
  if (unitMs === MINUTE_MS) times = seconds.map((second) => second * SECOND_MS);
  if (unitMs === HOUR_MS)
    times = minutes.flatMap((minute) => seconds.map((second) => minute * MINUTE_MS + second * SECOND_MS));
  const { BYSETPOS: positions } = parts;
  if (positions.length === 0) return times;
  return times.filter((_, index) => positions.includes(index + 1) || positions.includes(index - times.length));
}

/** The readings of a wall clock that a rule allows, searched from either side. Undefined: there is none. */
export interface WallSearch {
  /** The first one from `from` on. */
  next(from: WallMs): WallMs | undefined;
  /** The last one up to `upTo`, however long ago. */
  previous(upTo: WallMs): WallMs | undefined;
}

/** The readings of a wall clock that the rule allows from `anchor` on, counting periods from there. */
export function stepWalls(parts: RruleParts, unitMs: number, anchor: WallMs): WallSearch {
  const stepMs = parts.interval * unitMs;
  const base = Math.floor(anchor / unitMs) * unitMs;
  const times = timesWithin(parts, unitMs, anchor);
  const { BYHOUR, BYMINUTE, BYSECOND } = parts;

  /** Length of the day, hour, minute or second around `at` that the rule does not allow, ms; 0: it allows the period. */
  function forbiddenMs(at: WallMs): number {
    if (!allowsDay(parts, at)) return DAY_MS;
    const date = new Date(at);
    if (!allows(BYHOUR, date.getUTCHours())) return HOUR_MS;
    if (unitMs < HOUR_MS && !allows(BYMINUTE, date.getUTCMinutes())) return MINUTE_MS;
    return unitMs < MINUTE_MS && !allows(BYSECOND, date.getUTCSeconds()) ? SECOND_MS : 0;
  }

  return {
    next(from) {
      let period = Math.max(0, Math.floor((from - base) / stepMs));
      for (let steps = 0; steps < MOST_STEPS; steps++) {
        const start = base + period * stepMs;
        if (start >= END_OF_TIME) return undefined;
        const spanMs = forbiddenMs(start);
        if (spanMs === 0) {
          const time = times.find((each) => start + each >= from && start + each >= anchor);
          if (time !== undefined) return start + time;
          period++;
        } else {
          const allowed = Math.floor(start / spanMs) * spanMs + spanMs;
          period = Math.max(period + 1, Math.ceil((allowed - base) / stepMs));
        }
      }
      return undefined;
    },
    previous(upTo) {
      let period = Math.floor((upTo - base) / stepMs);
      for (let steps = 0; steps < MOST_STEPS && period >= 0; steps++) {
        const start = base + period * stepMs;
        const spanMs = forbiddenMs(start);
        if (spanMs === 0) {
          const time = times.findLast((each) => start + each <= upTo);
          const found = time === undefined ? undefined : start + time;
          if (found !== undefined) return found >= anchor ? found : undefined;
          period--;
        } else {
          const allowed = Math.floor(start / spanMs) * spanMs - 1;
          period = Math.min(period - 1, Math.floor((allowed - base) / stepMs));
        }
      }
      return undefined;
    },
  };
}
