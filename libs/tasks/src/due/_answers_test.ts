import { rrule } from "../calendar/rrule.ts";
import { cron } from "../calendar/schedule.ts";
import { newestDue, nextDue } from "./due.ts";

/** Expressions and zones whose times are asked for around the changes of clocks of two years. */
export const EXPRESSIONS = [
  "30 2 * * *",
  "*/15 * * * *",
  "0 * * * *",
  "*/7 1-3 * * *",
  "0 */2 * * *",
  "15,45 0,1,2,3 * * *",
  "10 */20 * * * *",
  "0 0 29 2 *",
  "0 12 13 * 5",
  "0 0 */2 * 1",
  "59 23 31 * *",
];
const RULES = [
  "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
  "FREQ=HOURLY;INTERVAL=5",
  "FREQ=MINUTELY;INTERVAL=35;BYHOUR=1,2,3",
  "FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=2;BYMINUTE=15,45",
  "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
];
export const ZONES = [
  "UTC",
  "Europe/Zurich",
  "America/New_York",
  "Australia/Lord_Howe",
  "Asia/Kolkata",
  "Africa/Casablanca",
  "Pacific/Apia",
];

/** All times from `from` to `to` at which the expression is due. */
export function timesBetween(
  expression: string,
  timeZone: string,
  range: { readonly from: string; readonly to: string },
): number[] {
  const grid = { schedule: cron(expression, { timeZone }), offsetMs: 0 };
  const until = Date.parse(range.to);
  const times: number[] = [];
  for (let at = nextDue(grid, Date.parse(range.from) - 1); at <= until; at = nextDue(grid, at)) times.push(at);
  return times;
}

/** What the arithmetic answers, in one text: the same in every process. */
export function answers(): string {
  const lines: string[] = [];
  for (const timeZone of ZONES) {
    const crons = EXPRESSIONS.map((text) => [text, cron(text, { timeZone })] as const);
    const rules = RULES.map((text) => [text, rrule(text, { timeZone })] as const);
    for (const [text, schedule] of [...crons, ...rules]) {
      const grid = { schedule, offsetMs: 0 };
      for (const day of ["2027-03-28", "2027-10-31", "2027-04-03", "2027-10-02", "2028-02-28", "2027-03-14"]) {
        const now = Date.parse(`${day}T01:07:00Z`);
        lines.push(
          [timeZone, text, nextDue(grid, now), newestDue(grid, { after: now - 40 * 86_400_000, now })].join(" "),
        );
      }
    }
  }
  return lines.join("\n");
}

if (import.meta.main) process.stdout.write(answers());
