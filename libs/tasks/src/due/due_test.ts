import test from "ava";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { cron, every } from "../calendar/schedule.ts";
import { temporal } from "../calendar/temporal.ts";
import { answers, EXPRESSIONS, timesBetween, ZONES } from "./_answers_test.ts";
import { newestDue, nextDue, steadyOffsetMs } from "./due.ts";

const iso = (times: readonly number[]) => times.map((at) => new Date(at).toISOString().replace(":00.000Z", "Z"));

test("half past two in Zurich comes once on each day on which the clocks change", (t) => {
  const spring = timesBetween("30 2 * * *", "Europe/Zurich", { from: "2027-03-27T12:00Z", to: "2027-03-29T12:00Z" });
  t.deepEqual(iso(spring), ["2027-03-28T01:00Z", "2027-03-29T00:30Z"]);
  const autumn = timesBetween("30 2 * * *", "Europe/Zurich", { from: "2027-10-30T12:00Z", to: "2027-11-01T12:00Z" });
  t.deepEqual(iso(autumn), ["2027-10-31T00:30Z", "2027-11-01T01:30Z"]);
});

test("in the second pass of an hour that comes twice, a time of the day has been in the first and comes the next day", (t) => {
  const grid = { schedule: cron("30 2 * * *", { timeZone: "Europe/Zurich" }), offsetMs: 0 };
  // 02:10 in Zurich, for the second time.
  const now = Date.parse("2027-10-31T01:10Z");
  t.deepEqual(iso([nextDue(grid, now)]), ["2027-11-01T01:30Z"]);
  t.deepEqual(iso([newestDue(grid, { after: now - 86_400_000, now }) ?? 0]), ["2027-10-31T00:30Z"]);
});

for (const [name, day] of [
  ["forward", "2027-03-28"],
  ["back", "2027-10-31"],
] as const) {
  test(`hourly and quarter-hourly rhythms neither pause nor burst while the clocks go ${name}`, (t) => {
    const range = { from: `${day}T00:00Z`, to: `${day}T03:00Z` };
    t.deepEqual(
      iso(timesBetween("0 * * * *", "Europe/Zurich", range)),
      ["00", "01", "02", "03"].map((hour) => `${day}T${hour}:00Z`),
    );
    const quarters = timesBetween("*/15 * * * *", "Europe/Zurich", range);
    t.deepEqual(new Set(quarters.slice(1).map((at, index) => at - (quarters[index] ?? 0))), new Set([900_000]));
  });
}

test("where clocks change by half an hour, rhythms go on and each time of the day comes once", (t) => {
  for (const day of ["2027-10-02", "2027-04-03"]) {
    const quarters = timesBetween("*/15 * * * *", "Australia/Lord_Howe", {
      from: `${day}T12:00Z`,
      to: `${day}T18:00Z`,
    });
    t.is(quarters.length, 25);
  }
  const skipped = timesBetween("15 2 * * *", "Australia/Lord_Howe", {
    from: "2027-10-02T00:00Z",
    to: "2027-10-03T23:00Z",
  });
  t.deepEqual(iso(skipped), ["2027-10-02T15:30Z", "2027-10-03T15:15Z"]);
  const double = timesBetween("45 1 * * *", "Australia/Lord_Howe", {
    from: "2027-04-03T00:00Z",
    to: "2027-04-04T23:00Z",
  });
  t.deepEqual(iso(double), ["2027-04-03T14:45Z", "2027-04-04T15:15Z"]);
});

test("a day that a zone skips altogether still has its time, at its end", (t) => {
  const times = timesBetween("30 23 30 12 *", "Pacific/Apia", { from: "2011-06-01T00:00Z", to: "2013-01-01T00:00Z" });
  t.deepEqual(iso(times), ["2011-12-30T10:00Z", "2012-12-30T09:30Z"]);
});

const CALENDAR: readonly (readonly [expression: string, what: string, times: readonly string[]])[] = [
  ["0 0 13 * 5", "either the 13th or a Friday", ["2026-03-06", "2026-03-13", "2026-03-20", "2026-03-27", "2026-04-03"]],
  [
    "0 0 */2 * 5",
    "both an odd day and a Friday, since one field begins with a star",
    ["2026-03-13", "2026-03-27", "2026-04-03"],
  ],
  ["0 0 * * 7", "7 is Sunday", ["2026-03-01", "2026-03-08", "2026-03-15", "2026-03-22", "2026-03-29"]],
  [
    "0 0 * mar SAT-SUN",
    "names, and a range up to Sunday",
    ["2026-03-01", "2026-03-07", "2026-03-08", "2026-03-14", "2026-03-15"],
  ],
  [
    "0 0 31 * *",
    "months without a 31st are left out",
    ["2026-03-31", "2026-05-31", "2026-07-31", "2026-08-31", "2026-10-31"],
  ],
  ["0 0 29 2 *", "leap days", ["2028-02-29", "2032-02-29", "2036-02-29", "2040-02-29", "2044-02-29"]],
  ["0 0 29 2 */7", "leap days that are Sundays", ["2032-02-29", "2060-02-29", "2088-02-29", "2128-02-29"]],
  ["0 0 1-31 * 1", "any day, since a full list is no star", ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]],
];
for (const [expression, what, days] of CALENDAR) {
  test(`"${expression}": ${what}`, (t) => {
    const grid = { schedule: cron(expression), offsetMs: 0 };
    const times: number[] = [];
    for (const _ of days) times.push(nextDue(grid, times.at(-1) ?? Date.parse("2026-02-28T12:00Z")));
    t.deepEqual(
      iso(times),
      days.map((day) => `${day}T00:00Z`),
    );
  });
}

test("the newest time due is the last of those that come one after the other", (t) => {
  const [from, to] = ["2027-03-20T00:00Z", "2027-04-10T00:00Z"];
  for (const timeZone of ZONES) {
    for (const expression of EXPRESSIONS) {
      const grid = { schedule: cron(expression, { timeZone }), offsetMs: 0 };
      const times = timesBetween(expression, timeZone, { from, to });
      const step = Math.max(1, Math.floor(times.length / 100));
      for (let index = 0; index + step < times.length; index += step) {
        const [at = 0, following = 0] = times.slice(index, index + 2);
        const before = times[index - 1] ?? at - 1;
        t.is(newestDue(grid, { after: before, now: at }), at);
        t.is(newestDue(grid, { after: Date.parse(from) - 1, now: following - 1 }), at);
        t.is(newestDue(grid, { after: at, now: following - 1 }), undefined);
      }
    }
  }
});

test("a rhythm is due at exactly those seconds at which the zone's wall clock matches", (t) => {
  for (const timeZone of ZONES) {
    const range = { from: "2027-04-03T00:00Z", to: "2027-04-04T23:59Z" };
    const expected: number[] = [];
    for (let at = Date.parse(range.from); at <= Date.parse(range.to); at += 60_000) {
      const { minute } = temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
      if (minute % 20 === 5) expected.push(at);
    }
    t.deepEqual(timesBetween("5-59/20 * * * *", timeZone, range), expected, timeZone);
  }
});

const run = promisify(execFile);
for (const TZ of ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]) {
  test(`the answers are the same in a process whose own zone is ${TZ}`, async (t) => {
    const script = `${import.meta.dirname}/_answers_test.ts`;
    const { stdout } = await run(process.execPath, [script], { env: { ...process.env, TZ } });
    t.is(stdout, answers());
    t.true(stdout.length > 10_000);
  });
}

test("the answers are the same where Node.js has no Temporal, as before 26", async (t) => {
  const script = `${import.meta.dirname}/_answers_test.ts`;
  const { stdout } = await run(process.execPath, ["--no-harmony-temporal", script]);
  t.is(stdout, answers());
});

test("an interval's times lie on one grid from the epoch on, with the schedule's own offset", (t) => {
  const grid = { schedule: every({ seconds: 30 }), offsetMs: 1_234 };
  t.is(nextDue(grid, 1_234), 31_234);
  t.is(nextDue(grid, 1_233), 1_234);
  t.is(newestDue(grid, { after: 0, now: 31_233 }), 1_234);
  t.is(newestDue(grid, { after: 0, now: 601_234 }), 601_234);
  t.is(newestDue(grid, { after: 601_234, now: 631_233 }), undefined);
  const long = { schedule: every({ days: 366 }), offsetMs: 0 };
  t.is(nextDue(long, 0), 366 * 86_400_000);
});

test("VOs have steady offsets, spread over the interval or its first hour; a cron has none", (t) => {
  const offsets = (schedule: ReturnType<typeof every>) =>
    Array.from({ length: 200 }, (_, vo) => steadyOffsetMs(schedule, `T/vo${vo}/default`));
  const short = offsets(every({ seconds: 60 }));
  t.true(short.every((offset) => offset >= 0 && offset < 60_000));
  t.deepEqual(short, offsets(every({ seconds: 60 })));
  const perSecond = Map.groupBy(short, (offset) => Math.floor(offset / 1_000));
  t.true(perSecond.size > 50, `only ${perSecond.size} of 60 seconds are used`);
  t.true(offsets(every({ days: 40 })).every((offset) => offset < 3_600_000));
  t.is(steadyOffsetMs(cron("0 * * * *"), "T/vo1/default"), 0);
});
