// Tested by libs/tasks/src/calendar/rrule_test.ts
import { InvalidScheduleError } from "./invalid_schedule.ts";

/*
 * Reads recurrence rules as RFC 5545, section 3.3.10, writes them: parts with a name and a value, separated by semicolons.
 *
 * Each part is checked before any library sees the rule, so that an error names the part and the value.
 */

const FREQUENCIES = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** As RFC 5545 writes them, at the place that `Date.getUTCDay` gives each. */
export const WEEKDAYS = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** A part that lists numbers. */
interface ListRule {
  readonly least: number;
  readonly most: number;
  /** Whether a number may be negative, which counts from the end. */
  readonly fromEnd: boolean;
  /** Frequencies with which RFC 5545 forbids the part. */
  readonly notWith: readonly Frequency[];
}

const ALL_BUT_YEARLY = FREQUENCIES.filter((frequency) => frequency !== "YEARLY");
const LIST_RULES = {
  BYMONTH: { least: 1, most: 12, fromEnd: false, notWith: [] },
  BYWEEKNO: { least: 1, most: 53, fromEnd: true, notWith: ALL_BUT_YEARLY },
  BYYEARDAY: { least: 1, most: 366, fromEnd: true, notWith: ["MONTHLY", "WEEKLY", "DAILY"] },
  BYMONTHDAY: { least: 1, most: 31, fromEnd: true, notWith: ["WEEKLY"] },
  BYHOUR: { least: 0, most: 23, fromEnd: false, notWith: [] },
  BYMINUTE: { least: 0, most: 59, fromEnd: false, notWith: [] },
  BYSECOND: { least: 0, most: 59, fromEnd: false, notWith: [] },
  BYSETPOS: { least: 1, most: 366, fromEnd: true, notWith: [] },
} as const satisfies Record<string, ListRule>;
type ListName = keyof typeof LIST_RULES;
const LIST_NAMES = Object.keys(LIST_RULES) as readonly ListName[];

/** A day of the week. `ordinal` counts it in the month or year, from the end where it is negative; 0: each such day. */
export interface ByDay {
  readonly ordinal: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** A checked rule. An absent list is empty. */
export interface RruleParts extends Readonly<Record<ListName, readonly number[]>> {
  readonly frequency: Frequency;
  readonly interval: number;
  readonly count: number | undefined;
  /** As it was written: `20271231`, `20271231T235959` or `20271231T235959Z`. */
  readonly until: string | undefined;
  readonly BYDAY: readonly ByDay[];
  readonly weekStart: Weekday;
}

/** Greatest length of a rule, characters. */
const MAX_LENGTH = 1_000;
const MOST_INTERVAL = 1_000_000;
/** Greatest COUNT: all of its times are computed from the start on. */
const MOST_COUNT = 1_000;
/** Greatest number of times in one day, where the frequency is DAILY or lower. */
const MOST_TIMES_A_DAY = 1_440;
/** Greatest number of times in one period among which BYSETPOS chooses. */
const MOST_CHOICES = 10_000;
/** Greatest number of days in one period, by frequency. */
const DAYS_IN: Readonly<Partial<Record<Frequency, number>>> = { YEARLY: 366, MONTHLY: 31, WEEKLY: 7, DAILY: 1 };

type Refuse = (problem: string) => never;

function isOneOf<Word extends string>(words: readonly Word[], text: string): text is Word {
  return (words as readonly string[]).includes(text);
}

function readNumber([name, text]: readonly [string, string], most: number, refuse: Refuse): number {
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) refuse(`${name}=${text} is none of 1 to ${most}`);
  return value;
}

function readList(name: ListName, text: string, refuse: Refuse): readonly number[] {
  const { least, most, fromEnd } = LIST_RULES[name];
  const signs = fromEnd ? ", or the same with a minus, which counts from the end" : "";
  const numbers = text.split(",").map((word) => {
    const value = /^[+-]?[0-9]{1,3}$/.test(word) ? Number(word) : Number.NaN;
    const size = fromEnd ? Math.abs(value) : value;
    if (!(size >= least && size <= most))
      refuse(`in ${name}, ${JSON.stringify(word)} is none of ${least} to ${most}${signs}`);
    return value;
  });
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function readDays(text: string, frequency: Frequency, refuse: Refuse): readonly ByDay[] {
  const days = text.split(",").map((word): ByDay => {
    const [, sign = "", digits = "", name = ""] = /^([+-]?)([0-9]{0,2})([A-Z]{2})$/.exec(word) ?? [];
    if (!isOneOf(WEEKDAYS, name) || (sign !== "" && digits === ""))
      return refuse(
        `in BYDAY, ${JSON.stringify(word)} is no day; write one of ${WEEKDAYS.join(" ")}, or -1FR for the last Friday`,
      );
    const ordinal = Number(`${sign}${digits === "" ? "0" : digits}`);
    if (digits !== "" && (Math.abs(ordinal) < 1 || Math.abs(ordinal) > 53))
      refuse(`in BYDAY, ${JSON.stringify(word)} counts a day beyond 1 to 53`);
    if (ordinal !== 0 && frequency !== "MONTHLY" && frequency !== "YEARLY")
      refuse(
        `in BYDAY, ${JSON.stringify(word)} counts a day of a month or year, and FREQ=${frequency} has none; write ${name}`,
      );
    return { ordinal, weekday: WEEKDAYS.indexOf(name) };
  });
  const known = new Map(days.map((day) => [`${day.ordinal}${day.weekday}`, day]));
  return [...known.values()].sort((a, b) => a.ordinal - b.ordinal || a.weekday - b.weekday);
}

const OTHERS = ["FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"];

/** The value of each part by its name. */
function split(text: string, refuse: Refuse): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of text.replace(/;$/, "").split(";")) {
    const [name = "", value, ...more] = part.split("=");
    if (name === "RSCALE" || name === "SKIP")
      refuse(`${name} is not supported; Muster counts in the Gregorian calendar`);
    if (!isOneOf(LIST_NAMES, name) && !OTHERS.includes(name))
      refuse(`${JSON.stringify(name)} is no part of a rule; there are ${[...OTHERS, ...LIST_NAMES].join(", ")}`);
    if (value === undefined || value === "" || more.length > 0)
      return refuse(`${JSON.stringify(part)} is no part with a value; write e.g. FREQ=DAILY`);
    if (values.has(name)) refuse(`it has ${name} twice`);
    values.set(name, value);
  }
  return values;
}

function checkTogether(parts: RruleParts, refuse: Refuse): void {
  const { frequency } = parts;
  for (const name of LIST_NAMES) {
    if (parts[name].length > 0 && (LIST_RULES[name].notWith as readonly string[]).includes(frequency))
      refuse(`${name} does not go with FREQ=${frequency}`);
  }
  if (parts.count !== undefined && parts.until !== undefined) refuse("COUNT and UNTIL exclude each other");
  if (parts.BYWEEKNO.length > 0 && parts.BYDAY.some(({ ordinal }) => ordinal !== 0))
    refuse("BYDAY may count no days beside BYWEEKNO");
  const others = LIST_NAMES.filter((name) => name !== "BYSETPOS" && parts[name].length > 0);
  if (parts.BYSETPOS.length > 0 && others.length === 0 && parts.BYDAY.length === 0)
    refuse("BYSETPOS chooses among the times of another part; add e.g. BYDAY");
  const days = DAYS_IN[frequency];
  if (days === undefined) return;
  const times = [parts.BYHOUR, parts.BYMINUTE, parts.BYSECOND].reduce(
    (all, { length }) => all * Math.max(1, length),
    1,
  );
  if (times > MOST_TIMES_A_DAY)
    refuse(`it names ${times} times a day, more than ${MOST_TIMES_A_DAY}; write FREQ=MINUTELY or FREQ=SECONDLY`);
  if (parts.BYSETPOS.length > 0 && days * times > MOST_CHOICES)
    refuse(
      `BYSETPOS would choose among up to ${days * times} times, more than ${MOST_CHOICES}; name fewer hours or minutes`,
    );
}

/** Reads a rule such as `FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=6`. Throws an {@linkcode InvalidScheduleError} that names the part. */
export function readRruleParts(rule: string): RruleParts {
  const refuse: Refuse = (problem) => {
    throw new InvalidScheduleError(rule, problem);
  };
  if (rule.length > MAX_LENGTH) refuse(`it has ${rule.length} characters, more than ${MAX_LENGTH}`);
  const values = split(
    rule
      .trim()
      .toUpperCase()
      .replace(/^RRULE:/, ""),
    refuse,
  );
  const frequency = values.get("FREQ");
  if (frequency === undefined) return refuse(`it has no FREQ; begin with FREQ= and one of ${FREQUENCIES.join(", ")}`);
  if (!isOneOf(FREQUENCIES, frequency)) return refuse(`FREQ=${frequency} is none of ${FREQUENCIES.join(", ")}`);
  const weekStart = values.get("WKST") ?? "MO";
  if (!isOneOf(WEEKDAYS, weekStart)) return refuse(`WKST=${weekStart} is none of ${WEEKDAYS.join(" ")}`);
  const [interval, count, until] = [values.get("INTERVAL"), values.get("COUNT"), values.get("UNTIL")];
  if (until !== undefined && !/^[0-9]{8}(?:T[0-9]{6}Z?)?$/.test(until))
    refuse(`UNTIL=${until} is no time; write 20271231 or 20271231T235959Z`);
  const list = (name: ListName) => {
    const text = values.get(name);
    return text === undefined ? [] : readList(name, text, refuse);
  };
  const byDay = values.get("BYDAY");
  const parts: RruleParts = {
    frequency,
    interval: interval === undefined ? 1 : readNumber(["INTERVAL", interval], MOST_INTERVAL, refuse),
    count: count === undefined ? undefined : readNumber(["COUNT", count], MOST_COUNT, refuse),
    until,
    BYDAY: byDay === undefined ? [] : readDays(byDay, frequency, refuse),
    weekStart,
    BYMONTH: list("BYMONTH"),
    BYWEEKNO: list("BYWEEKNO"),
    BYYEARDAY: list("BYYEARDAY"),
    BYMONTHDAY: list("BYMONTHDAY"),
    BYHOUR: list("BYHOUR"),
    BYMINUTE: list("BYMINUTE"),
    BYSECOND: list("BYSECOND"),
    BYSETPOS: list("BYSETPOS"),
  };
  checkTogether(parts, refuse);
  return parts;
}

function printDay({ ordinal, weekday }: ByDay): string {
  return `${ordinal === 0 ? "" : ordinal}${WEEKDAYS[weekday] ?? ""}`;
}

/** The rule's one form: equal rules have equal texts. */
export function printRruleParts(parts: RruleParts): string {
  const { frequency, interval, count, until, weekStart, BYDAY } = parts;
  const printed = [`FREQ=${frequency}`];
  if (interval !== 1) printed.push(`INTERVAL=${interval}`);
  if (count !== undefined) printed.push(`COUNT=${count}`);
  if (until !== undefined) printed.push(`UNTIL=${until}`);
  for (const name of LIST_NAMES) {
    if (name === "BYHOUR" && BYDAY.length > 0) printed.push(`BYDAY=${BYDAY.map(printDay).join(",")}`);
    if (parts[name].length > 0) printed.push(`${name}=${parts[name].join(",")}`);
  }
  if (weekStart !== "MO") printed.push(`WKST=${weekStart}`);
  return printed.join(";");
}
