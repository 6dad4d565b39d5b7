import { WEEKDAYS } from "./cron_rule.ts";
import { InvalidScheduleError } from "./invalid_schedule.ts";
import { parseLengthMs, printLength } from "./length_text.ts";
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

function parseCron(words: readonly string[]): Schedule {
  const last = words.at(-1) ?? "";
  // Five words are never four fields and a zone, so that the error names a misspelt weekday.
  if (words.length > 5 && isZone(last)) return cron(words.slice(0, -1).join(" "), { timeZone: last });
  return cron(words.join(" "));
}

/**
 * Reads `every 5s` (a whole number of `d`, `h`, `m`, `s` or `ms`) or `cron 0 * * * * Europe/Zurich` (zone optional, default UTC).
 *
 * Throws {@linkcode InvalidScheduleError}.
 */
export function parseSchedule(text: string): Schedule {
  const [kind, ...words] = text.trim().split(/\s+/);
  if (kind === "every") return parseInterval(text, words.join(" "));
  if (kind === "cron") return parseCron(words);
  throw new InvalidScheduleError(
    text,
    'it begins with neither "every" nor "cron"; write e.g. "every 5s" or "cron 0 * * * * Europe/Zurich"',
  );
}

/** The text that {@linkcode parseSchedule} reads as `schedule`. Equal schedules have equal texts. */
export function printSchedule(schedule: Schedule): string {
  if (schedule.kind === "cron") return `cron ${schedule.expression} ${schedule.timeZone}`;
  return `every ${printLength(schedule.intervalMs)}`;
}
