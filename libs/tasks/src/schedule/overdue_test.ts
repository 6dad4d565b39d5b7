import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { every } from "../calendar/schedule.ts";
import type { Middleware } from "../definition/middleware.ts";
import { withVo } from "../configuration/configuration.ts";
import { createAgenda } from "../due/agenda.ts";
import { isLate, type Overdue, overdueProblems, rested, tried, uselessPlan } from "../due/overdue.ts";
import { planSchedules } from "../due/planned_schedule.ts";
import { until } from "../testing/patience.ts";
import { listen, periodic, recurring, startGrid } from "./_grid_test.ts";
import { listOverdue } from "./list_overdue.ts";
import { pauseSchedule } from "./pauses.ts";
import { startScheduler } from "./start_scheduler.ts";

const FIRST = Date.parse("2027-01-31T12:00:00Z");
const MINUTE = 60_000;

test("what is tried in vain for ten seconds is late, and what fires within them is not", (t) => {
  const begun = tried(undefined, FIRST, 1_000);
  t.false(isLate(begun, 10_999));
  t.true(isLate(begun, 11_000));
  t.is(tried(begun, FIRST, 5_000), begun, "each further try is the same state");
  t.is(tried(begun, FIRST + MINUTE, 9_000).triedSinceMs, 9_000, "an occurrence has come, and the next one is tried");
  t.is(rested(begun, FIRST + MINUTE), undefined, "an occurrence has come");
});

test("one that came too late for missed: none is no problem, two in a row are, until one comes", (t) => {
  let state: Overdue | undefined = tried(undefined, FIRST, 0);
  state = rested(state, FIRST);
  state = rested(state, FIRST);
  t.false(isLate(state, 10 * MINUTE), "it rests after the first, however often it is looked at");
  state = tried(state, FIRST, MINUTE);
  t.false(isLate(state, MINUTE + 9_999), "the second is tried");
  state = rested(state, FIRST);
  t.true(isLate(state, MINUTE + 10_000));
  state = tried(state, FIRST, 2 * MINUTE);
  t.true(isLate(state, 2 * MINUTE), "the third is tried, and none has come yet");
  t.is(rested(state, FIRST + 3 * MINUTE), undefined);
});

test("of very many that do not fire the oldest are named, and the others are counted", (t) => {
  const led = Array.from({ length: 5 }, (_, index) => ({
    planned: { key: `Tick/vo${index}/default`, task: "Tick" },
    overdue: { dueAt: FIRST - index * MINUTE, triedSinceMs: 0, skipped: 0, why: "the hook is broken; mend it" },
  }));
  const [oldest = "", ...others] = overdueProblems([...led, { ...(led[0] ?? t.fail()), overdue: undefined }], 20_000);
  t.is(
    oldest,
    "schedule Tick/vo4/default has been due since 2027-01-31T11:56:00.000Z and does not fire: the hook is broken; mend it; `muster schedule pause Tick` holds it until then",
  );
  t.is(others.length, 3);
  t.is(others[2], "2 more schedules do not fire; `muster schedule list` has all");
});

test("a scheduler for which the configuration has schedules, and none that can be used, has nothing to fire and says so", (t) => {
  const agenda = createAgenda();
  const Tick = periodic("Tick", every({ days: 1 }));
  const configuration = withVo({ vos: {}, tasks: {} }, "lhcb");
  const plan = planSchedules({ tasks: [Tick], configuration, before: new Map() }, () => {});
  agenda.adopt(new Map(), []);
  t.deepEqual(uselessPlan(agenda), [], "nothing was asked for");
  agenda.adopt(new Map(), ["Cannot use the first: it needs a payload", "the second"]);
  t.deepEqual(uselessPlan(agenda), [
    "no schedule can be fired: Cannot use the first: it needs a payload, and 1 more such",
  ]);
  agenda.adopt(plan, ["Cannot use the first: it needs a payload"]);
  t.deepEqual(uselessPlan(agenda), [], "the others come, and the doctor names it");
});

test("a schedule whose hook throws or never ends is told with its first due time, beside it others fire, and none is told once all fire", async (t) => {
  const Broken = recurring({ name: "Broken", schedule: every({ seconds: 1 }), overlap: "allow" });
  const Hanging = recurring({ name: "Hanging", schedule: every({ seconds: 1 }) });
  const Skipping = recurring({ name: "Skipping", schedule: every({ seconds: 1 }), missed: "none" });
  const Paused = recurring({ name: "Paused", schedule: every({ seconds: 1 }) });
  const Well = recurring({ name: "Well", schedule: every({ seconds: 1 }), overlap: "allow" });
  const Busy = recurring({ name: "Busy", schedule: every({ seconds: 1 }) });
  const Rare = periodic("Rare", every({ days: 40 }));
  const tasks = [Broken, Hanging, Skipping, Paused, Well, Busy, Rare];
  let isBroken = true;
  const mended = Promise.withResolvers<void>();
  const gate: Middleware = {
    name: "gate",
    async publish({ task }, next) {
      if (isBroken && (task === "Broken" || task === "Skipping" || task === "Paused")) throw new Error("no licence");
      if (task === "Hanging") await mended.promise;
      await next();
    },
  };
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await pauseSchedule(grid.broker, { task: "Paused" });
  const beganAt = Date.now();
  const options = { broker: grid.broker, nats: { url: grid.url }, app: "here", tasks, middleware: [gate] };
  await using scheduler = await startScheduler(options);
  const told = async () => {
    const problems = scheduler.problems();
    return problems.length === 3 ? problems : undefined;
  };
  const problems = (await until(told, "three schedules to be told")).toSorted();
  const since = String.raw`has been due since (\S+Z) and does not fire`;
  const [broken, hanging, skipping] = problems;
  t.regex(broken ?? "", new RegExp(`^schedule Broken/lhcb/default ${since}: middleware "gate" .*no licence; mend`));
  t.regex(
    hanging ?? "",
    new RegExp(`^schedule Hanging/lhcb/default ${since}: middleware .* has not let it pass within`),
  );
  t.regex(skipping ?? "", new RegExp(`^schedule Skipping/lhcb/default ${since}: .*no licence`));
  const dueSince = Date.parse(new RegExp(since).exec(broken ?? "")?.[1] ?? "");
  t.true(dueSince > beganAt && Date.now() - dueSince >= 9_000, "the first time that did not come, and not the newest");

  const configuration = grid.configuration.current;
  const listed = await listOverdue(grid.broker, { tasks, configuration, now: Date.now() });
  t.deepEqual(
    listed
      .map(({ task }) => task)
      .sort()
      .filter((task) => task !== "Skipping"),
    ["Broken", "Hanging"],
  );
  const stranger = async () => {
    await pause(250);
    const shown = await listOverdue(grid.broker, { tasks: [], configuration, now: Date.now() });
    return shown.find(({ task, why }) => task === "Broken" && why !== undefined);
  };
  t.like(await until(stranger, "the leader to show why"), {
    ...{ vo: "lhcb", instance: "default", leader: scheduler.name, dueSince: new Date(dueSince) },
  });
  t.true(heard.seen.filter(({ of }) => of === "Well/lhcb").length >= 5, "others fire as if nothing were");

  isBroken = false;
  mended.resolve();
  await until(async () => (scheduler.problems().length === 0 ? true : undefined), "no problem");
  const gone = async () => {
    await pause(250);
    const left = await listOverdue(grid.broker, { tasks, configuration, now: Date.now() });
    return left.length === 0 ? true : undefined;
  };
  await until(gone, "nothing to list, though the leader shows older words");
});
