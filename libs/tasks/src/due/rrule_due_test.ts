import test from "ava";
import { type RruleOptions, rrule } from "../calendar/rrule.ts";
import type { RruleSchedule } from "../calendar/schedule.ts";
import { temporal } from "../calendar/temporal.ts";
import { ZONES } from "./_answers_test.ts";
import { newestDue, nextDue, steadyOffsetMs } from "./due.ts";

interface Range {
  readonly from: string;
  readonly to: string;
}

/** All times of a rule from `from` to `to`. */
function timesOf(schedule: RruleSchedule, { from, to }: Range, offsetMs = 0): number[] {
  const grid = { schedule, offsetMs };
  const times: number[] = [];
  for (let at = nextDue(grid, Date.parse(from) - 1); at <= Date.parse(to); at = nextDue(grid, at)) times.push(at);
  return times;
}

function isoTimes(rule: string, options: RruleOptions, range: Range): string[] {
  return timesOf(rrule(rule, options), range).map((at) => new Date(at).toISOString().replace(":00.000Z", "Z"));
}

const ZURICH = { timeZone: "Europe/Zurich" };

test("half past two in Zurich comes once on each day on which the clocks change", (t) => {
  const rule = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30";
  const spring = isoTimes(rule, ZURICH, { from: "2027-03-27T12:00Z", to: "2027-03-29T12:00Z" });
  t.deepEqual(spring, ["2027-03-28T01:30Z", "2027-03-29T00:30Z"], "as RFC 5545 says: half past three on the new clock");
  const autumn = isoTimes(rule, ZURICH, { from: "2027-10-30T12:00Z", to: "2027-11-01T12:00Z" });
  t.deepEqual(autumn, ["2027-10-31T00:30Z", "2027-11-01T01:30Z"]);
});

test("times in the hour that the clock skips, and those after it, come in the order of their moments, and one moment once", (t) => {
  const range = { from: "2027-03-28T00:00Z", to: "2027-03-28T12:00Z" };
  const rule = "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=15,45";
  // 02:15 and 03:15, and 02:45 and 03:45, are the same moments on this day.
  t.deepEqual(isoTimes(rule, ZURICH, range), [
    "2027-03-28T00:15Z",
    "2027-03-28T00:45Z",
    "2027-03-28T01:15Z",
    "2027-03-28T01:45Z",
  ]);
  const mixed = isoTimes("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=30;BYSETPOS=1", ZURICH, range);
  t.deepEqual(mixed, ["2027-03-28T01:30Z"]);
});

for (const [name, day] of [
  ["forward", "2027-03-28"],
  ["back", "2027-10-31"],
] as const) {
  test(`rules of hours, minutes and seconds neither pause nor burst while the clocks go ${name}`, (t) => {
    const range = { from: `${day}T00:00Z`, to: `${day}T04:00Z` };
    const hours = isoTimes("FREQ=HOURLY", ZURICH, range);
    t.deepEqual(
      hours,
      ["00", "01", "02", "03", "04"].map((hour) => `${day}T${hour}:00Z`),
    );
    t.is(isoTimes("FREQ=MINUTELY;INTERVAL=15", ZURICH, range).length, 17);
    const two = timesOf(rrule("FREQ=HOURLY;INTERVAL=2", ZURICH), range);
    t.deepEqual(new Set(two.slice(1).map((at, index) => at - (two[index] ?? 0))), new Set([7_200_000]));
  });
}

test("where clocks change by half an hour, hourly rules follow real time, and each time of the day comes once", (t) => {
  const zone = { timeZone: "Australia/Lord_Howe" };
  for (const day of ["2027-10-02", "2027-04-03"]) {
    const times = timesOf(rrule("FREQ=HOURLY", { ...zone, start: "2027-01-01T00:00" }), {
      from: `${day}T12:00Z`,
      to: `${day}T18:00Z`,
    });
    t.deepEqual(new Set(times.slice(1).map((at, index) => at - (times[index] ?? 0))), new Set([3_600_000]));
    t.true(times.length >= 6);
  }
  const daily = "FREQ=DAILY;BYHOUR=2;BYMINUTE=15";
  t.deepEqual(isoTimes(daily, zone, { from: "2027-10-02T00:00Z", to: "2027-10-03T23:00Z" }), [
    "2027-10-02T15:45Z",
    "2027-10-03T15:15Z",
  ]);
  const double = "FREQ=DAILY;BYHOUR=1;BYMINUTE=45";
  t.deepEqual(isoTimes(double, zone, { from: "2027-04-03T00:00Z", to: "2027-04-04T23:00Z" }), [
    "2027-04-03T14:45Z",
    "2027-04-04T15:15Z",
  ]);
});

test("a day that a zone skips altogether still has its time, a day later", (t) => {
  const rule = "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=30;BYHOUR=23;BYMINUTE=30";
  const times = isoTimes(rule, { timeZone: "Pacific/Apia" }, { from: "2011-06-01T00:00Z", to: "2013-01-01T00:00Z" });
  t.deepEqual(times, ["2011-12-31T09:30Z", "2012-12-30T09:30Z"]);
});

const RULES: readonly (readonly [rule: string, start?: string])[] = [
  ["FREQ=DAILY;BYHOUR=2;BYMINUTE=30"],
  ["FREQ=DAILY;INTERVAL=3;BYHOUR=0,1,2,3;BYMINUTE=15,45", "2027-01-02T00:00"],
  ["FREQ=WEEKLY;BYDAY=SU;BYHOUR=1,2,3"],
  ["FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU;BYHOUR=2;BYMINUTE=10"],
  ["FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=2;BYMINUTE=0,30"],
  ["FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=2"],
  ["FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU;BYHOUR=2;BYMINUTE=30"],
  ["FREQ=HOURLY;INTERVAL=5;BYMINUTE=0,20"],
  ["FREQ=MINUTELY;INTERVAL=25;BYHOUR=1,2,3"],
  ["FREQ=HOURLY;BYDAY=SU,MO;BYHOUR=0,1,2,3"],
  ["FREQ=DAILY;COUNT=40;BYHOUR=2;BYMINUTE=30", "2027-03-01T00:00"],
  ["FREQ=DAILY;UNTIL=20270401;BYHOUR=2;BYMINUTE=30"],
];

test("the newest time due is the last of those that come one after the other, and what comes ascends", (t) => {
  for (const timeZone of ZONES) {
    for (const [rule, start] of RULES) {
      const schedule = rrule(rule, { timeZone, ...(start === undefined ? {} : { start }) });
      const grid = { schedule, offsetMs: 0 };
      for (const [from, to] of [
        ["2027-03-20T00:00Z", "2027-04-10T00:00Z"],
        ["2027-09-25T00:00Z", "2027-11-05T00:00Z"],
      ] as const) {
        const times = timesOf(schedule, { from, to });
        for (const [index, at] of times.entries()) {
          const following = times[index + 1];
          if (following === undefined) break;
          t.true(following > at, `${rule} ${timeZone}`);
          t.is(newestDue(grid, { after: at - 1, now: at }), at, `${rule} ${timeZone}`);
          t.is(newestDue(grid, { after: Date.parse(from) - 1, now: following - 1 }), at, `${rule} ${timeZone}`);
          t.is(newestDue(grid, { after: at, now: following - 1 }), undefined, `${rule} ${timeZone}`);
        }
      }
    }
  }
});

/** What a rule of hours or minutes means, decided at each minute: real time since its start, and what the wall clock shows. */
test("a rule of minutes or hours is due at exactly those minutes at which its interval and the wall clock match", (t) => {
  const range = { from: "2027-04-03T00:00Z", to: "2027-04-04T23:59Z" };
  for (const timeZone of ZONES) {
    const start = temporal.PlainDateTime.from("2027-01-01T00:05").toZonedDateTime(timeZone).epochMilliseconds;
    const [minutes, hours]: number[][] = [[], []];
    for (let at = Date.parse(range.from); at <= Date.parse(range.to); at += 60_000) {
      const { hour, dayOfWeek } = temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
      const passed = (at - start) / 60_000;
      if (passed % 35 === 0 && [1, 2, 3, 14].includes(hour)) minutes?.push(at);
      if (passed % 180 === 0 && dayOfWeek === 7) hours?.push(at);
    }
    const options = { timeZone, start: "2027-01-01T00:05" };
    t.deepEqual(timesOf(rrule("FREQ=MINUTELY;INTERVAL=35;BYHOUR=1,2,3,14", options), range), minutes, timeZone);
    t.deepEqual(timesOf(rrule("FREQ=HOURLY;INTERVAL=3;BYDAY=SU", options), range), hours, timeZone);
  }
});

test("a rule that has ended has no next time, and its last one stays the newest", (t) => {
  const grid = { schedule: rrule("FREQ=DAILY;COUNT=3", { start: "2027-01-04T06:00" }), offsetMs: 0 };
  t.is(nextDue(grid, Date.parse("2027-01-06T06:00Z")), Number.POSITIVE_INFINITY);
  t.is(newestDue(grid, { after: 0, now: Date.parse("2030-01-01T00:00Z") }), Date.parse("2027-01-06T06:00Z"));
  const until = { schedule: rrule("FREQ=HOURLY;UNTIL=20270104T120000Z"), offsetMs: 0 };
  t.is(nextDue(until, Date.parse("2027-01-04T12:00Z")), Number.POSITIVE_INFINITY);
  t.is(newestDue(until, { after: 0, now: Date.parse("2030-01-01T00:00Z") }), Date.parse("2027-01-04T12:00Z"));
});

test("a rule that has not begun has its start's first time as the next one, and none before", (t) => {
  const grid = { schedule: rrule("FREQ=DAILY;BYHOUR=6", { start: "2040-01-04T08:00" }), offsetMs: 0 };
  t.is(nextDue(grid, 0), Date.parse("2040-01-05T06:00Z"));
  t.is(newestDue(grid, { after: 0, now: Date.parse("2040-01-05T05:59Z") }), undefined);
});

/** Rules whose times are rare, or very many. Each answer took the library or us some steps when it was measured, and no search is without end. */
const COSTLY = [
  "FREQ=SECONDLY",
  "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=0;BYMINUTE=0;BYSECOND=0",
  "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
  "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
  "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
  "FREQ=SECONDLY;INTERVAL=3601;BYHOUR=23;BYMINUTE=0",
  "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-1",
];

test("no search is long, however rare or dense the rule is, and years without a look cost no more", (t) => {
  for (const rule of COSTLY) {
    const grid = { schedule: rrule(rule, { timeZone: "Europe/Zurich" }), offsetMs: 0 };
    const startedAt = process.cpuUsage();
    let at = Date.parse("2027-03-01T00:00Z");
    for (let step = 0; step < 20; step++) at = nextDue(grid, at);
    for (let step = 0; step < 20; step++)
      newestDue(grid, { after: 0, now: Date.parse("2027-03-01T00:00Z") + step * 3_600_000 });
    const { user, system } = process.cpuUsage(startedAt);
    t.true((user + system) / 1_000 < 10_000, `${rule}: ${(user + system) / 1_000} ms of CPU for 40 answers`);
    t.true(at > Date.parse("2027-03-01T00:00Z"), rule);
  }
});

test("a definition's spread moves a rule or a cron by each VO's own steady offset, up to its length", (t) => {
  const schedule = rrule("FREQ=HOURLY");
  const offsets = Array.from({ length: 100 }, (_, vo) =>
    steadyOffsetMs(schedule, `T/vo${vo}/default`, { minutes: 10 }),
  );
  t.true(offsets.every((offset) => offset >= 0 && offset < 600_000));
  t.true(new Set(offsets.map((offset) => Math.floor(offset / 60_000))).size > 5);
  t.is(steadyOffsetMs(schedule, "T/vo1/default"), 0);
  const range = { from: "2027-01-01T00:00Z", to: "2027-01-01T06:00Z" };
  t.deepEqual(
    timesOf(schedule, range, 60_000).map((at) => at % 3_600_000),
    Array(6).fill(60_000),
  );
  const grid = { schedule, offsetMs: 60_000 };
  const now = Date.parse("2027-01-01T03:00:30Z");
  t.is(newestDue(grid, { after: 0, now }), Date.parse("2027-01-01T02:01Z"));
});
