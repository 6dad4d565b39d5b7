import test from "ava";
import type { Marker } from "../broker/marker.ts";
import type { Missed } from "../definition/recurrence.ts";
import { rrule } from "../calendar/rrule.ts";
import { cron, every, type Schedule } from "../calendar/schedule.ts";
import { withVo } from "../configuration/configuration.ts";
import { atLeastOnceFactory } from "../definition/task.ts";
import { nextDue } from "./due.ts";
import { nextStep } from "./next_step.ts";
import { type PlannedSchedule, planSchedules } from "./planned_schedule.ts";

function plan(schedule: Schedule, missed: Missed): PlannedSchedule {
  const task = atLeastOnceFactory()({ name: "Tick", per: "vo", schedule, missed, spread: "none", execute() {} });
  const configuration = withVo({ vos: {}, tasks: {} }, "lhcb");
  const [planned] = planSchedules({ tasks: [task], configuration, before: new Map() }, () => {}).values();
  if (planned === undefined) throw new Error("nothing was planned");
  return planned;
}

const markerAt = (planned: PlannedSchedule, dueAt: number): Marker => ({
  sequence: 1,
  dueAt,
  schedule: planned.text,
  message: 2,
});

/** All that comes until `now` when each occurrence is over at once. */
function caughtUp(
  planned: PlannedSchedule,
  from: number,
  now: number,
): { dueAts: number[]; isCut: boolean; restsUntil: number } {
  const dueAts: number[] = [];
  let isCut = false;
  for (let at = from; ; ) {
    const step = nextStep(planned, markerAt(planned, at), now);
    if (step.kind === "rest") return { dueAts, isCut, restsUntil: step.untilAt };
    if (step.kind === "restart") throw new Error(`it began anew: ${step.reason}`);
    isCut ||= step.isCut;
    dueAts.push(step.dueAt);
    at = step.dueAt;
  }
}

const NOON = Date.parse("2027-03-28T12:00:00Z");
const SCHEDULES: readonly Schedule[] = [
  every({ seconds: 30 }),
  cron("*/7 1-13 * * *", { timeZone: "Europe/Zurich" }),
  rrule("FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30", { timeZone: "Europe/Zurich" }),
  rrule("FREQ=MINUTELY;INTERVAL=13"),
];

test("I20: of missed times the newest comes by default, each of them with `all`, and none with `none`", (t) => {
  for (const schedule of SCHEDULES) {
    const grid = { schedule, offsetMs: 0 };
    // Five times were missed, and the next one is not near.
    const times = [nextDue(grid, NOON)];
    for (let more = 0; more < 6; more++) times.push(nextDue(grid, times.at(-1) ?? 0));
    const [first = 0, last = 0, next = 0] = [times[0], times[5], times[6]];
    const now = last + (next - last) / 2 + 61_000 / 2;
    const missed = times.slice(1).filter((at) => at <= now);
    t.deepEqual(caughtUp(plan(schedule, "last"), first, now).dueAts, missed.slice(-1));
    t.deepEqual(caughtUp(plan(schedule, "all"), first, now).dueAts, missed);
    const none = caughtUp(plan(schedule, "none"), first, now);
    const isLate = now - (missed.at(-1) ?? 0) > Math.min(60_000, (next - last) / 10);
    t.deepEqual(none.dueAts, isLate ? [] : missed.slice(-1));
    t.is(none.restsUntil, nextDue(grid, now), "it waits for the next one");
  }
});

test("I20: of more than 100 missed times the newest 100 come with `all`, the oldest first, and it is known that some do not", (t) => {
  for (const schedule of SCHEDULES) {
    const planned = plan(schedule, "all");
    const after = NOON - 30 * 86_400_000;
    const { dueAts, isCut } = caughtUp(planned, after, NOON);
    t.is(dueAts.length, 100, planned.text);
    t.true(isCut);
    const grid = { schedule, offsetMs: 0 };
    for (const [index, at] of dueAts.slice(0, -1).entries()) t.is(dueAts[index + 1], nextDue(grid, at));
    t.true(nextDue(grid, dueAts.at(-1) ?? 0) > NOON);
    t.false(caughtUp(planned, dueAts[0] ?? 0, NOON).isCut);
  }
});

test("with `none` a time that is late by less than a tenth of the time to the next one is not missed, by at least 1 s and at most a minute", (t) => {
  const limits: readonly (readonly [schedule: Schedule, lateMs: number])[] = [
    [every({ seconds: 1 }), 1_000],
    [every({ seconds: 5 }), 1_000],
    [every({ seconds: 30 }), 3_000],
    [every({ hours: 5 }), 60_000],
    [rrule("FREQ=DAILY;BYHOUR=12;COUNT=1", { start: "2027-03-28T00:00" }), 60_000],
  ];
  for (const [schedule, lateMs] of limits) {
    const planned = plan(schedule, "none");
    const dueAt = nextDue({ schedule, offsetMs: 0 }, NOON - 1);
    const step = (now: number) => nextStep(planned, markerAt(planned, dueAt - 1), now);
    t.like(step(dueAt + lateMs - 1), { kind: "publish" }, planned.text);
    if (lateMs > 1_000) t.like(step(dueAt + lateMs + 1), { kind: "rest" }, planned.text);
  }
});

test("a rule that has ended rests for good, whatever was missed", (t) => {
  const schedule = rrule("FREQ=DAILY;COUNT=3", { start: "2027-03-01T06:00" });
  const lastAt = Date.parse("2027-03-03T06:00Z");
  for (const missed of ["last", "all", "none"] as const) {
    const planned = plan(schedule, missed);
    t.deepEqual(nextStep(planned, markerAt(planned, lastAt), NOON), {
      kind: "rest",
      untilAt: Number.POSITIVE_INFINITY,
    });
  }
});
