// Tested by libs/tasks/src/calendar/rrule_test.ts
import type { WallMs } from "./cron_calendar.ts";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { dayWalls } from "./rrule_days.ts";
import { printRruleParts, readRruleParts, type RruleParts } from "./rrule_parts.ts";
import { stepUnitMs, stepWalls, type WallSearch } from "./rrule_steps.ts";
import type { RruleSchedule } from "./schedule.ts";
import { temporal } from "./temporal.ts";
import { checkTimeZone } from "./time_zone.ts";

/** Start of a rule that states none, on the wall clock of its zone. */
export const DEFAULT_START = "1970-01-01T00:00:00";
/** Years in which a rule may start. */
const YEARS = { least: 1900, most: 2199 };

/** Where a rule's times begin, and whose clock they are read on. */
export interface RruleOptions {
  /**
   * The first time that may be due, on the wall clock of `timeZone`: `2027-01-04T06:00`, or an instant with `Z` or an offset. INTERVAL and
   * COUNT count from there, and a rule without a day or a time takes those of the start. Default: midnight of 1970-01-01.
   */
  readonly start?: string | Date;
  /** IANA name, default `UTC`. */
  readonly timeZone?: string;
}

/** What is computed of a rule once. */
export interface CompiledRrule {
  readonly parts: RruleParts;
  readonly start: WallMs;
  /** Length of its periods where they are hours, minutes or seconds, ms. */
  readonly unitMs: number | undefined;
  /** The last moment that may be due, ms since the epoch; Infinity: it has no end. */
  readonly untilAt: number;
  /** The readings that it allows. A rule of hours, minutes or seconds counts them from `anchor`, other rules from the start. */
  walls(anchor: WallMs): WallSearch;
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, "0");
}

/** The start as `2027-01-04T06:00:00` on the zone's wall clock. */
function readStart(rule: string, start: string | Date, timeZone: string): string {
  const given =
    start instanceof Date ? (Number.isNaN(start.getTime()) ? "Invalid Date" : start.toISOString()) : start.trim();
  const basic = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(given);
  const [, year, month, day, hour = "00", minute = "00", second = "00", z = ""] = basic ?? [];
  const text = basic === null ? given : `${year}-${month}-${day}T${hour}:${minute}:${second}${z}`;
  try {
    const wall = /T.*(?:Z|[+-]\d\d:?\d\d)$/i.test(text)
      ? temporal.Instant.from(text).toZonedDateTimeISO(timeZone).toPlainDateTime()
      : temporal.PlainDateTime.from(text);
    if (wall.year < YEARS.least || wall.year > YEARS.most) throw new RangeError("the year is too far away");
    return wall.round({ smallestUnit: "second", roundingMode: "floor" }).toString({ smallestUnit: "second" });
  } catch (cause) {
    const rules = `write e.g. 2027-01-04T06:00, from ${YEARS.least} to ${YEARS.most}`;
    throw new InvalidScheduleError(rule, `its start ${JSON.stringify(given)} is no time; ${rules}`, { cause });
  }
}

/** UNTIL in UTC, which says the same in each zone. A day lasts until its end in the rule's zone. */
function readUntil(rule: string, until: string, timeZone: string): string {
  const [, year = "", month = "", day = "", hour = "23", minute = "59", second = "59", z = ""] =
    /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(until) ?? [];
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  try {
    const zone = z === "" ? timeZone : "UTC";
    const at = temporal.PlainDateTime.from(text).toZonedDateTime(zone).withTimeZone("UTC");
    const date = `${pad(at.year, 4)}${pad(at.month)}${pad(at.day)}`;
    return `${date}T${pad(at.hour)}${pad(at.minute)}${pad(at.second)}Z`;
  } catch (cause) {
    throw new InvalidScheduleError(rule, `UNTIL=${until} is no time; write 20271231 or 20271231T235959Z`, { cause });
  }
}

function untilAtOf(until: string | undefined): number {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(until ?? "") ?? [];
  if (year === undefined) return Number.POSITIVE_INFINITY;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

function compile(parts: RruleParts, start: WallMs): CompiledRrule {
  const unitMs = stepUnitMs(parts);
  const days = unitMs === undefined ? dayWalls(parts, start) : undefined;
  const steps = new Map<WallMs, WallSearch>();
  return {
    parts,
    start,
    unitMs,
    untilAt: untilAtOf(parts.until),
    walls(anchor) {
      if (days !== undefined || unitMs === undefined) return days ?? dayWalls(parts, start);
      const known = steps.get(anchor) ?? stepWalls(parts, unitMs, anchor);
      steps.set(anchor, known);
      return known;
    },
  };
}

const compiled = new WeakMap<RruleSchedule, CompiledRrule>();

/** What a schedule that `rrule` made is computed from. */
export function compiledRrule(schedule: RruleSchedule): CompiledRrule {
  const known = compiled.get(schedule);
  if (known !== undefined) return known;
  const made = compile(readRruleParts(schedule.rule), Date.parse(`${schedule.start}Z`));
  compiled.set(schedule, made);
  return made;
}

/**
 * Due as a recurrence rule of RFC 5545 says: `FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=6`. All of its parts work; `RSCALE`, `RDATE` and `EXDATE` do not.
 *
 * When clocks change, HOURLY, MINUTELY and SECONDLY follow real time: they neither pause nor burst. Other rules name times of the day, and each
 * comes once. A time that the clock skips comes as much later as the clock was moved. A time that it shows twice comes the first time.
 *
 * A start that the rule does not match is not due itself. Throws {@linkcode InvalidScheduleError} for a rule that is misspelt or never due.
 *
 * ```ts
 * const schedule = rrule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", { start: "2027-01-01T00:00", timeZone: "Europe/Zurich" });
 * ```
 */
export function rrule(rule: string, { start, timeZone = "UTC" }: RruleOptions = {}): RruleSchedule {
  const parts = readRruleParts(rule);
  const zone = checkTimeZone(rule, timeZone);
  if (parts.count !== undefined && start === undefined)
    throw new InvalidScheduleError(rule, "COUNT counts from a start; give one, as from 2027-01-04T06:00");
  const from = start === undefined ? DEFAULT_START : readStart(rule, start, zone);
  const until = parts.until === undefined ? undefined : readUntil(rule, parts.until, zone);
  const whole = { ...parts, until };
  const schedule: RruleSchedule = { kind: "rrule", rule: printRruleParts(whole), start: from, timeZone: zone };
  const made = compile(whole, Date.parse(`${from}Z`));
  const first = made.walls(made.start).next(made.start);
  if (first === undefined) throw new InvalidScheduleError(rule, "no time ever matches it");
  const firstAt = temporal.Instant.fromEpochMilliseconds(first).toZonedDateTimeISO("UTC").toPlainDateTime();
  if (firstAt.toZonedDateTime(zone).epochMilliseconds > made.untilAt)
    throw new InvalidScheduleError(rule, `it ends at UNTIL=${until}, before its first time`);
  compiled.set(schedule, made);
  return schedule;
}
