// Tested by libs/tasks/src/calendar/schedule_text_test.ts
// Tested by libs/tasks/src/due/due_test.ts
import { type Cron, parseCronExpression } from "cron-schedule";
import { InvalidScheduleError } from "./invalid_schedule.ts";

/** What a cron expression allows. Each list ascends. */
export interface CronRule {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** 1 to 31. */
  readonly days: ReadonlySet<number>;
  /** 0 is January. */
  readonly months: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /**
   * Which of `days` and `weekdays` a date must be in, as in Vixie cron. `both` where either field begins with `*`, otherwise `either`. `*`
   * itself holds every day, `*\/2` every other.
   */
  readonly dayMatch: "both" | "either";
}

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
export const WEEKDAYS: readonly string[] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const SECOND: Field = { name: "second", least: 0, most: 59, names: [] };
const FIELDS: readonly Field[] = [
  { name: "minute", least: 0, most: 59, names: [] },
  { name: "hour", least: 0, most: 23, names: [] },
  { name: "day of month", least: 1, most: 31, names: [] },
  { name: "month", least: 1, most: 12, names: MONTHS },
  { name: "day of week", least: 0, most: 7, names: WEEKDAYS },
];

/** What is wrong with one value of a field; undefined: nothing. */
function problemOfValue(value: string, { least, most, names }: Field): string | undefined {
  if (names.includes(value.toLowerCase())) return undefined;
  const words = names.length > 0 ? `, or ${names.join(" ")}` : "";
  if (!/^[0-9]{1,2}$/.test(value)) return `${JSON.stringify(value)} is none of ${least} to ${most}${words}`;
  return Number(value) < least || Number(value) > most
    ? `${value} lies outside ${least} to ${most}${words}`
    : undefined;
}

/** What is wrong with one element of a field's list: `*`, `5` or `1-5`, where `*` and `1-5` may have a step. */
function problemOfElement(element: string, field: Field): string | undefined {
  const [range = "", step, ...more] = element.split("/");
  const ends = range.split("-");
  if (more.length > 0 || ends.length > 2) return `${JSON.stringify(element)} is no value, range or step`;
  if (step !== undefined) {
    const span = field.most - field.least + 1;
    if (range !== "*" && ends.length === 1)
      return `${JSON.stringify(element)} has a step without a range; write ${range}-${field.most}/${step}`;
    if (!/^[0-9]{1,2}$/.test(step) || Number(step) < 1 || Number(step) > span)
      return `step ${JSON.stringify(step)} is none of 1 to ${span}`;
  }
  if (range === "*") return undefined;
  return ends.map((end) => problemOfValue(end, field)).find((problem) => problem !== undefined);
}

/** Checks each text letter by letter before the library reads it: the library would read both `5x` and `5/2` as 5. */
function checkSpelling(expression: string, texts: readonly string[], fields: readonly Field[]): void {
  for (const [index, field] of fields.entries()) {
    for (const element of (texts[index] ?? "").split(",")) {
      const problem = problemOfElement(element, field);
      if (problem !== undefined) throw new InvalidScheduleError(expression, `in its ${field.name}, ${problem}`);
    }
  }
}

/**
 * Reads five fields (minute, hour, day of month, month, day of week), or six with seconds first.
 *
 * Throws an {@linkcode InvalidScheduleError} that names the field and what is wrong there.
 */
export function readCronRule(expression: string): CronRule {
  const texts = expression.trim().split(/\s+/);
  if (texts.length !== 5 && texts.length !== 6) {
    throw new InvalidScheduleError(
      expression,
      `it has ${texts.length} fields; give minute, hour, day of month, month and day of week, or a second before them`,
    );
  }
  checkSpelling(expression, texts, texts.length === 6 ? [SECOND, ...FIELDS] : FIELDS);
  let cron: Cron;
  try {
    cron = parseCronExpression(texts.join(" "));
  } catch (cause) {
    throw new InvalidScheduleError(expression, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const [days = "", , weekdays = ""] = texts.slice(-3);
  return {
    seconds: cron.seconds,
    minutes: cron.minutes,
    hours: cron.hours,
    days: new Set(cron.days),
    months: new Set(cron.months),
    weekdays: new Set(cron.weekdays),
    dayMatch: days.startsWith("*") || weekdays.startsWith("*") ? "both" : "either",
  };
}
