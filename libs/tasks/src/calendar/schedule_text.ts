import { WEEKDAYS } from "./cron_rule.ts";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { parseLengthMs, printLength } from "./length_text.ts";
import { DEFAULT_START, rrule } from "./rrule.ts";
import { cron, every, type Interval, type Schedule } from "./schedule.ts";

function parseInterval(text: string, length: string): Schedule {
  const ms = parseLengthMs(length);
  if (ms === undefined) {
    throw new InvalidScheduleError(
      text,
      `${JSON.stringify(length)} is no length of time; write a whole number and one of d, h, m, s, ms`,
    );
  }
  const interval: Interval = { seconds: ms / 1_000 };
  try {
    return every(interval);
  } catch (cause) {
    if (!(cause instanceof InvalidScheduleError)) throw cause;
    throw new InvalidScheduleError(text, cause.problem, { cause });
  }
}

/** Whether the last word of a cron text is a time zone and not a day of the week. */
function isZone(word: string): boolean {
  return /^[A-Za-z]/.test(word) && !WEEKDAYS.includes(word.slice(0, 3).toLowerCase());
}

function parseCron(words: readonly string[], timeZone: string | undefined): Schedule {
  const last = words.at(-1) ?? "";
  // Five words are never four fields and a zone, so that the error names a misspelt weekday.
  if (words.length > 5 && isZone(last)) return cron(words.slice(0, -1).join(" "), { timeZone: last });
  return cron(words.join(" "), timeZone === undefined ? {} : { timeZone });
}

/** `DTSTART;TZID=Europe/Zurich:20270104T060000`, as calendars write it before a rule. */
const DTSTART = /^DTSTART(?:;TZID=([^:;]+))?:([0-9TZ]+)$/i;

/** Reads `<rule> [from <start>] [<time zone>]`, or what a calendar has: `DTSTART...:<start> RRULE:<rule>`. */
function parseRrule(text: string, words: readonly string[], timeZone: string | undefined): Schedule {
  const [, zoneOfStart, startBefore] = DTSTART.exec(words[0] ?? "") ?? [];
  const [rule = "", ...rest] = startBefore === undefined ? words : words.slice(1);
  const startBehind = rest[0]?.toLowerCase() === "from" ? (rest[1] ?? "") : undefined;
  const [zoneBehind, ...more] = startBehind === undefined ? rest : rest.slice(2);
  if (more.length > 0 || (startBefore !== undefined && startBehind !== undefined))
    throw new InvalidScheduleError(text, "it has too many words; write rrule <rule> [from <start>] [<time zone>]");
  const start = startBehind ?? startBefore;
  try {
    return rrule(rule, {
      timeZone: zoneBehind ?? zoneOfStart ?? timeZone ?? "UTC",
      ...(start === undefined ? {} : { start }),
    });
  } catch (cause) {
    if (!(cause instanceof InvalidScheduleError)) throw cause;
    throw new InvalidScheduleError(text, cause.problem, { cause });
  }
}

/**
 * Reads the text of a schedule. The zone may be left out, and is `timeZone` then, default UTC.
 *
 * - `every 5s`: a whole number of `d`, `h`, `m`, `s` or `ms`.
 * - `cron 0 * * * * Europe/Zurich`.
 * - `rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6 from 2027-01-04T00:00 Europe/Zurich`: start and zone may be left out.
 *
 * Throws {@linkcode InvalidScheduleError}.
 */
export function parseSchedule(text: string, { timeZone }: { readonly timeZone?: string } = {}): Schedule {
  const [kind = "", ...words] = text.trim().split(/\s+/);
  if (kind === "every") return parseInterval(text, words.join(" "));
  if (kind === "cron") return parseCron(words, timeZone);
  if (kind === "rrule") return parseRrule(text, words, timeZone);
  if (/^(?:RRULE:|DTSTART[;:])/i.test(kind)) return parseRrule(text, [kind, ...words], timeZone);
  throw new InvalidScheduleError(
    text,
    'it begins with none of "every", "cron" and "rrule"; write e.g. "every 5s", "cron 0 * * * * Europe/Zurich" or "rrule FREQ=DAILY;BYHOUR=6"',
  );
}

/** The text that {@linkcode parseSchedule} reads as `schedule`. Equal schedules have equal texts. */
export function printSchedule(schedule: Schedule): string {
  if (schedule.kind === "cron") return `cron ${schedule.expression} ${schedule.timeZone}`;
  if (schedule.kind === "rrule") {
    const start = schedule.start === DEFAULT_START ? "" : ` from ${schedule.start}`;
    return `rrule ${schedule.rule}${start} ${schedule.timeZone}`;
  }
  return `every ${printLength(schedule.intervalMs)}`;
}
