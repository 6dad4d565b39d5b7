// Tested by libs/tasks/src/calendar/rrule_test.ts
import { createRequire } from "node:module";
import type { RRuleTemporal } from "rrule-temporal";
import type { WallMs } from "./cron_calendar.ts";
import { printRruleParts, type RruleParts } from "./rrule_parts.ts";
import { END_OF_TIME, type WallSearch } from "./rrule_steps.ts";
import { temporal } from "./temporal.ts";

/*
 * Rules of the frequencies YEARLY, MONTHLY, WEEKLY and DAILY. A library finds their days, in UTC alone: what clocks do elsewhere is computed
 * by us, as it is for cron. Their times of the day are the same on each day, so only BYSETPOS needs them in the library.
 */

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/**
 * Greatest number of periods in which the library looks for one time, by frequency: the calendar's 400 years, or 80 for days. A rule that
 * matches in none of them counts as never due.
 */
const MOST_PERIODS = { YEARLY: 400, MONTHLY: 4_800, WEEKLY: 20_872, DAILY: 29_220 } as const;
/** Number of found times that are kept of each rule: schedules of many VOs ask for the same ones. */
const KEPT = 16;

/** The library's class, loaded where a rule needs it: most processes have none. */
let library: { readonly RRuleTemporal: typeof RRuleTemporal } | undefined;
function loadLibrary(): typeof RRuleTemporal {
  library ??= createRequire(import.meta.url)("rrule-temporal") as { readonly RRuleTemporal: typeof RRuleTemporal };
  return library.RRuleTemporal;
}

type DayFrequency = keyof typeof MOST_PERIODS;

/** The beginning of the period in which `start` lies. From there a library can count periods without meeting the 31st of a short month. */
function periodStart({ frequency, weekStart }: RruleParts, start: WallMs): WallMs {
  const date = new Date(start);
  const day = Math.floor(start / DAY_MS) * DAY_MS;
  if (frequency === "YEARLY") return Date.UTC(date.getUTCFullYear(), 0, 1);
  if (frequency === "MONTHLY") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  if (frequency === "DAILY") return day;
  return day - ((date.getUTCDay() - WEEKDAY_NUMBER[weekStart] + 7) % 7) * DAY_MS;
}
const WEEKDAY_NUMBER = { SU: 0, MO: 1, TU: 2, WE: 3, TH: 4, FR: 5, SA: 6 } as const;

/** The rule with all that RFC 5545 takes from the start, so that it no longer depends on the start's day and time. */
function explicitParts(parts: RruleParts, start: WallMs): RruleParts {
  const date = new Date(start);
  const or = (list: readonly number[], value: number) => (list.length > 0 ? list : [value]);
  const hasDay =
    parts.BYDAY.length > 0 || parts.BYMONTHDAY.length > 0 || parts.BYYEARDAY.length > 0 || parts.BYWEEKNO.length > 0;
  const timed = {
    ...parts,
    count: undefined,
    until: undefined,
    BYHOUR: or(parts.BYHOUR, date.getUTCHours()),
    BYMINUTE: or(parts.BYMINUTE, date.getUTCMinutes()),
    BYSECOND: or(parts.BYSECOND, date.getUTCSeconds()),
  };
  const weekday = { ordinal: 0, weekday: date.getUTCDay() };
  switch (parts.frequency) {
    case "YEARLY": {
      if (parts.BYWEEKNO.length > 0 && parts.BYDAY.length + parts.BYMONTHDAY.length + parts.BYYEARDAY.length === 0)
        return { ...timed, BYDAY: [weekday] };
      if (hasDay) return timed;
      return { ...timed, BYMONTH: or(parts.BYMONTH, date.getUTCMonth() + 1), BYMONTHDAY: [date.getUTCDate()] };
    }
    case "MONTHLY":
      return hasDay ? timed : { ...timed, BYMONTHDAY: [date.getUTCDate()] };
    case "WEEKLY":
      return hasDay ? timed : { ...timed, BYDAY: [weekday] };
    default:
      return timed;
  }
}

/** Searches in the library's rule. What it has found is kept for the next question. */
function searchLibrary(parts: RruleParts, anchor: WallMs) {
  const rule = new (loadLibrary())({
    rruleString: `RRULE:${printRruleParts(parts)}`,
    dtstart: temporal.Instant.fromEpochMilliseconds(anchor).toZonedDateTimeISO("UTC"),
    maxIterations: MOST_PERIODS[parts.frequency as DayFrequency],
    cache: false,
  });
  /** By the asked time; the oldest first. */
  const kept = new Map<number, number | undefined>();

  function remember(key: number, search: () => number | undefined): number | undefined {
    if (kept.has(key)) return kept.get(key);
    const found = search();
    for (const oldest of kept.keys()) {
      if (kept.size < KEPT) break;
      kept.delete(oldest);
    }
    kept.set(key, found);
    return found;
  }

  const guarded = (ask: () => number | undefined): number | undefined => {
    try {
      const found = ask();
      return found !== undefined && found < END_OF_TIME ? found : undefined;
    } catch (error) {
      // The library throws where it has looked in as many periods as it may.
      if (error instanceof Error && /^Maximum /.test(error.message)) return undefined;
      throw error;
    }
  };
  return {
    next: (from: WallMs) => remember(from, () => guarded(() => rule.next(new Date(from), true)?.epochMilliseconds)),
    previous: (upTo: WallMs) =>
      // Negated, so that the two kinds of questions share the memory.
      remember(-upTo - 0.5, () => guarded(() => rule.previous(new Date(upTo), true)?.epochMilliseconds)),
  };
}

function timesOfDay({ BYHOUR, BYMINUTE, BYSECOND }: RruleParts): readonly number[] {
  return BYHOUR.flatMap((hour) =>
    BYMINUTE.flatMap((minute) => BYSECOND.map((second) => ((hour * 60 + minute) * 60 + second) * SECOND_MS)),
  );
}

/** The readings of a wall clock that a rule of days or longer periods allows from `start` on. */
export function dayWalls(parts: RruleParts, start: WallMs): WallSearch {
  const full = explicitParts(parts, start);
  const anchor = periodStart(parts, start);
  if (full.BYSETPOS.length > 0) {
    const { next, previous } = searchLibrary(full, anchor);
    return {
      next: (from) => next(Math.max(from, start)),
      previous(upTo) {
        const found = previous(upTo);
        return found !== undefined && found >= start ? found : undefined;
      },
    };
  }
  const days = searchLibrary({ ...full, BYHOUR: [0], BYMINUTE: [0], BYSECOND: [0] }, anchor);
  const times = timesOfDay(full);
  return {
    next(given) {
      const from = Math.max(given, start);
      for (let day = days.next(Math.floor(from / DAY_MS) * DAY_MS); day !== undefined; day = days.next(day + DAY_MS)) {
        const found = day;
        const time = times.find((each) => found + each >= from);
        if (time !== undefined) return found + time;
      }
      return undefined;
    },
    previous(upTo) {
      const last = Math.floor(upTo / DAY_MS) * DAY_MS;
      for (let day = days.previous(last); day !== undefined; day = days.previous(day - DAY_MS)) {
        const found = day;
        const time = times.findLast((each) => found + each <= upTo);
        if (time !== undefined) return found + time >= start ? found + time : undefined;
      }
      return undefined;
    },
  };
}
