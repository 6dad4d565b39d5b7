import { AssertionError } from "node:assert";
import test from "ava";
import * as z from "zod";
import { every } from "../calendar/schedule.ts";
import { InvalidScheduleError } from "../calendar/invalid_schedule.ts";
import { noRetry } from "../definition/retry.ts";
import { type AnyTask, atLeastOnceFactory } from "../definition/task.ts";
import { assertDone, assertFailed, assertLogged, assertSpawned } from "./assertions.ts";
import { dueTimes } from "./due_times.ts";
import { runTask } from "./run_task.ts";

interface Deps {
  log(message: string, fields?: object): void;
}
const defineTask = atLeastOnceFactory<Deps>();
const PilotTask = defineTask({
  name: "PilotTask",
  per: "vo",
  payload: z.strictObject({ ce: z.string(), number: z.int() }),
  execute() {},
});
const QuietTask = defineTask({ name: "QuietTask", execute() {} });
const RoundTask = defineTask({
  name: "RoundTask",
  per: "vo",
  retry: noRetry(),
  payload: z.strictObject({ count: z.int() }),
  execute({ deps, payload: { count }, spawn }) {
    deps.log("round", { count, site: { name: "cern" } });
    if (count < 0) throw new RangeError("no count");
    for (let number = 0; number < count; number++) spawn(PilotTask, { ce: "ce01", number });
    spawn(QuietTask, {}, { at: new Date("2026-05-01T00:00:00Z") });
    return { count };
  },
});
const round = (count: number) => runTask(RoundTask, { vo: "lhcb", payload: { count }, deps: ({ log }) => ({ log }) });

/** The text of the assertion's failure. */
function failureOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
  throw new Error("the assertion held");
}

test("the result of a task that is done is returned, and another end is told with its error", async (t) => {
  t.deepEqual(assertDone(await round(1)), { count: 1 });
  t.is(assertDone(await runTask(QuietTask)), null);
  const failed = await round(-1);
  t.is(
    failureOf(() => assertDone(failed)),
    'Cannot find "done": attempt 1 of RoundTask (VO lhcb) ended "dead", after RangeError: no count',
  );
  t.is(t.throws(() => assertDone(failed)).cause, failed.error);
});

test("what a failed task threw is returned, and a task that is done is told", async (t) => {
  t.true(assertFailed(await round(-1), "dead") instanceof RangeError);
  const done = await round(1);
  t.is(
    failureOf(() => assertFailed(done, "retry")),
    'Cannot find "retry": attempt 1 of RoundTask (VO lhcb) ended "done"',
  );
});

test("children are found by what counts of them, and where they are not, all that were spawned are listed", async (t) => {
  const outcome = await round(2);
  t.is(assertSpawned(outcome, PilotTask, { times: 2 }).length, 2);
  t.like(assertSpawned(outcome, PilotTask, { payload: { number: 1 }, vo: "lhcb", times: 1 })[0], {
    payload: { ce: "ce01", number: 1 },
  });
  assertSpawned(outcome, QuietTask, { at: new Date("2026-05-01T00:00:00Z") });
  assertSpawned(outcome, RoundTask, { times: 0 });
  t.is(
    failureOf(() => assertSpawned(outcome, PilotTask, { payload: { ce: "ce02" } })),
    [
      'Cannot find a child like {"task":"PilotTask","payload":{"ce":"ce02"}}, but 0: it spawned',
      '  PilotTask (VO lhcb) {"ce":"ce01","number":0}',
      '  PilotTask (VO lhcb) {"ce":"ce01","number":1}',
      "  QuietTask (VO _) {} at 2026-05-01T00:00:00.000Z",
    ].join("\n"),
  );
  t.regex(
    failureOf(() => assertSpawned(outcome, PilotTask, { times: 0 })),
    /^Cannot find 0 children like \{"task":"PilotTask"\}, but 2: it spawned\n/,
  );
  const many = await round(12);
  t.regex(
    failureOf(() => assertSpawned(many, RoundTask)),
    /and 3 more$/,
  );
  const failed = await round(-1);
  t.is(
    failureOf(() => assertSpawned(failed, PilotTask)),
    'Cannot find a child like {"task":"PilotTask"}, but 0: attempt 1 of RoundTask (VO lhcb) ended "dead", after RangeError: no count; it spawned nothing',
  );
});

test("lines of the log are found by message and fields, and where they are not, all that were logged are listed", async (t) => {
  const outcome = await round(2);
  t.is(assertLogged(outcome, "round").length, 1);
  assertLogged(outcome, /^rou/, { site: { name: "cern" } });
  t.is(
    failureOf(() => assertLogged(outcome, "round", { count: 3 })),
    'Cannot find a line "round" with {"count":3}: it logged\n  "round" {"count":2,"site":{"name":"cern"}}',
  );
  const quiet = await runTask(QuietTask);
  t.is(
    failureOf(() => assertLogged(quiet, /x/)),
    "Cannot find a line /x/ with {}: it logged nothing",
  );
});

test("a task's due times are those of its schedule, or of its settings, for the VO", (t) => {
  const HourlyTask = defineTask({ name: "HourlyTask", schedule: every({ hours: 1 }), execute() {} });
  const after = new Date("2026-03-01T10:30:00Z");
  t.deepEqual(dueTimes(HourlyTask, { after, times: 2 }), [
    new Date("2026-03-01T11:00:00Z"),
    new Date("2026-03-01T12:00:00Z"),
  ]);
  const settings = { schedule: "cron 15 4 * * * Europe/Zurich" };
  t.deepEqual(dueTimes(HourlyTask, { after, settings }), [new Date("2026-03-02T03:15:00Z")]);
  t.deepEqual(dueTimes(HourlyTask, { after, settings: { enabled: false } }), []);
  const quarterly = dueTimes(QuietTask, { after, settings: { schedule: "every 15m" } });
  t.deepEqual(quarterly, [new Date("2026-03-01T10:45:00Z")]);
  t.throws(() => dueTimes(HourlyTask, { after, settings: { schedule: "every now" } }), {
    instanceOf: InvalidScheduleError,
  });
  const OffsetTask = defineTask({ name: "OffsetTask", per: "vo", schedule: every({ hours: 1 }), execute() {} });
  const [lhcb] = dueTimes(OffsetTask, { vo: "lhcb", after });
  const [atlas] = dueTimes(OffsetTask, { vo: "atlas", after });
  t.not(lhcb?.getTime(), atlas?.getTime());
});

test("a task without a schedule is told as that, before any VO is asked for", (t) => {
  const anyTask: AnyTask = PilotTask;
  for (const task of [QuietTask, anyTask]) {
    const error = t.throws(() => dueTimes(task, { after: new Date() }), { instanceOf: TypeError });
    t.is(
      error.message,
      `Cannot tell when ${task.name} is due: it has no schedule and comes on demand only; give one to its definition, or to dueTimes as settings`,
    );
  }
});
