import { headers as newHeaders } from "@nats-io/nats-core";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { changeConfiguration } from "../configuration/change_configuration.ts";
import { withoutVo, withVo } from "../configuration/configuration.ts";
import { DEAD_REASON, DEAD_SUBJECT, MSG_ID, SCHEDULE, SCHEDULE_TARGET, TASK_ID } from "../format/headers.ts";
import { DEAD, LATER, TASKS } from "../streams/streams.ts";
import { allOn, assertCounts, countOn, type Grid, listen, periodic, startGrid } from "../schedule/_grid_test.ts";
import { openBrokerClock } from "../lead/broker_clock.ts";
import { fixedCharges, REST_WITH_LEDGER } from "../lead/charges.ts";
import { createReporter } from "../lead/reporter.ts";
import type { SweepContext } from "./sweep_context.ts";
import { sweepTasks } from "./sweep_tasks.ts";
import { every } from "../calendar/schedule.ts";
import { withSchedule } from "../schedule/change_schedule.ts";
import { registerWorker } from "../presence/registration.ts";
import { listUnknownTasks } from "./unknown_tasks.ts";

const PerVo = periodic("PerVo", undefined);
const ForAll = periodic("ForAll", undefined, "all");

/** The next dead letter on `subject`, within a minute. */
async function deadLetter({ broker }: Grid, subject: string) {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    const stored = await broker.jsm.streams.getMessage(DEAD, { last_by_subj: subject });
    if (stored !== null) return stored;
  }
  throw new Error(`no dead letter on ${subject}`);
}

test("what no worker can ever see or run becomes a dead letter at once, with its reason, id and body", async (t) => {
  await using grid = await startGrid();
  const { js } = grid.broker;
  const headers = newHeaders();
  headers.set(MSG_ID, "mine");
  headers.set("Other", "kept");
  await js.publish("tasks.PerVo", '{"a":1}', { headers });
  await js.publish("tasks.PerVo._", "{}");
  await js.publish("tasks.ForAll.lhcb", "{}");
  await js.publish("tasks.2bad.lhcb", "{}");
  await js.publish("tasks.PerVo.lhcb", "{}");
  await js.publish("tasks.ForAll._", "{}");
  const events = grid.broker.nc.subscribe("events.PerVo._.dead", { max: 2 });
  await using _leader = await grid.lead([PerVo, ForAll]);

  const noVo = await deadLetter(grid, "dead.PerVo._");
  t.regex(noVo.header?.get(DEAD_REASON) ?? "", /it is per VO|names no VO/);
  t.regex((await deadLetter(grid, "dead.ForAll.lhcb")).header?.get(DEAD_REASON) ?? "", /not per VO/);
  const badName = await deadLetter(grid, "dead.2bad.lhcb");
  t.regex(badName.header?.get(DEAD_REASON) ?? "", /begins with a letter/);
  t.is(badName.header?.get(DEAD_SUBJECT), "tasks.2bad.lhcb");
  for (const event of await allOn(events)) t.is(JSON.parse(event.string()).step, "dead");

  const letters = await Promise.all([1, 2, 3, 4].map((seq) => grid.broker.jsm.streams.getMessage(DEAD, { seq })));
  const mine = letters.find((letter) => letter?.header?.get(TASK_ID) === "mine");
  t.is(mine?.string(), '{"a":1}');
  t.is(mine?.header?.get("Other"), "kept");
  t.is(mine?.header?.get(DEAD_SUBJECT), "tasks.PerVo");
  await assertCounts(t, grid, { on: "tasks.>", are: { "tasks.PerVo.lhcb": 1, "tasks.ForAll._": 1 } });
});

test("a VO that was never configured: its tasks lie in DEAD soon after 10 s, and not before", async (t) => {
  await using grid = await startGrid();
  await using _leader = await grid.lead([PerVo]);
  await pause(300); // just after a sweep, so that the next is as far away as can be
  const publishedAt = Date.now();
  await grid.broker.js.publish("tasks.PerVo.nobody", "{}");
  await grid.broker.js.publish("tasks.PerVo.late", "{}");
  await pause(1_500);
  await grid.configure((now) => withVo(now, "late"));
  const dead = await deadLetter(grid, "dead.PerVo.nobody");
  const tookMs = Date.now() - publishedAt;
  t.true(tookMs >= 9_900 && tookMs < 60_000, `${tookMs} ms`);
  t.regex(dead.header?.get(DEAD_REASON) ?? "", /VO nobody: it is not configured/);
  await assertCounts(t, grid, {
    on: "tasks.>",
    are: { "tasks.PerVo.late": 1 },
    why: "a VO that was added meanwhile keeps its task",
  });
});

test("a removed VO's tasks are dropped with an event each, and leave no dead letter", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  for (let number = 0; number < 3; number++) await grid.broker.js.publish("tasks.PerVo.cms", `{"number":${number}}`);
  await grid.configure((now) => withoutVo(now, "cms"));
  const events = grid.broker.nc.subscribe("events.PerVo.cms.dropped", { max: 3 });
  await using _leader = await grid.lead([PerVo]);
  const ids: string[] = [];
  for (const event of await allOn(events)) ids.push(JSON.parse(event.string()).taskId);
  t.deepEqual(ids.map((id) => id.replace(/-[0-9]+$/, "")).sort(), ["TASKS-1", "TASKS-2", "TASKS-3"]);
  await pause(100);
  await assertCounts(t, grid, { on: "tasks.>", are: {} });
  t.is((await grid.broker.jsm.streams.info(DEAD)).state.messages, 0);
});

/** What one pass over TASKS needs, of a scheduler that leads nothing but the rest. */
async function passContext({ broker, configuration }: Grid, ledger: SweepContext["ledger"]): Promise<SweepContext> {
  const clock = await openBrokerClock(broker);
  const report = createReporter(broker.observer);
  const charges = fixedCharges([REST_WITH_LEDGER]);
  return { broker, worker: "test", tasks: [], configuration, clock, report, charges, ledger };
}
const noPatterns = { pass: async () => Number.POSITIVE_INFINITY };

test("a ledger that does not answer is asked for a few messages of a pass, not for each of them", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  for (let number = 0; number < 40; number++) await grid.broker.js.publish(`tasks.Task${number % 4}.cms`, "{}");
  await grid.configure((now) => withoutVo(now, "cms"));
  let asked = 0;
  const record = () => {
    asked++;
    return Promise.reject(new Error("away"));
  };
  await sweepTasks(await passContext(grid, { record }), noPatterns);
  t.true(asked > 0 && asked <= 4, `${asked}`);
  t.is(
    Object.values(await countOn(grid, "tasks.>")).reduce((sum, count) => sum + count, 0),
    40,
  );
});

test("a VO that is added again while its tasks are dropped keeps those that are left", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  for (const task of ["One", "Two"]) await grid.broker.js.publish(`tasks.${task}.cms`, "{}");
  await grid.configure((now) => withoutVo(now, "cms"));
  const context = await passContext(grid, {
    async record(row) {
      await grid.configure((now) => withVo(now, "cms"));
      await grid.configuration.refresh();
      return row;
    },
  });
  t.is(await sweepTasks(context, noPatterns), 250);
  t.is(
    Object.values(await countOn(grid, "tasks.>")).reduce((sum, count) => sum + count, 0),
    1,
  );
});

test("a task that nobody knows stays, and is reported with count and age", async (t) => {
  await using grid = await startGrid();
  await grid.broker.js.publish("tasks.Newer.lhcb", "{}");
  await grid.broker.js.publish("tasks.Newer.lhcb", "{}");
  await using leader = await grid.lead([PerVo]);
  for (const until = Date.now() + 60_000; leader.alarms.length === 0 && Date.now() < until; ) await pause(20);
  t.regex(leader.alarms.join(), /No running worker knows Newer: 2 of VO lhcb wait since 20/);
  const [unknown, ...more] = await listUnknownTasks(grid.broker, ["PerVo"]);
  t.like(unknown, { task: "Newer", vos: ["lhcb"], count: 2 });
  t.deepEqual(more, []);
  t.true(Math.abs((unknown?.oldestAt?.getTime() ?? 0) - Date.now()) < 60_000);
});

test("a worker that starts while it is looked what waits is known, with the task that was published for it", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  await using shown = new AsyncDisposableStack();
  const streams: typeof broker.jsm.streams = Object.assign(Object.create(broker.jsm.streams), {
    async info(...args: Parameters<typeof broker.jsm.streams.info>) {
      if (args[0] === "TASKS") {
        shown.use(registerWorker(broker, { name: "late", tasks: ["Late"], permits: 1 }));
        await broker.nc.flush();
        await broker.js.publish("tasks.Late.lhcb", "{}");
      }
      return broker.jsm.streams.info(...args);
    },
  });
  t.deepEqual(await listUnknownTasks({ ...broker, jsm: { ...broker.jsm, streams } }), []);
});

test("while the workers of a new bucket have not shown themselves, no task is called unknown", async (t) => {
  await using grid = await startGrid();
  const { js, jsm } = grid.broker;
  // Buckets that are made within two seconds of TASKS count as made with it.
  const { created, ts = created } = await jsm.streams.info(TASKS);
  await pause(Math.max(0, 2_100 - (Date.parse(ts) - Date.parse(created))));
  await jsm.streams.delete("KV_workers");
  await grid.broker.declareMissing();
  await js.publish("tasks.Newer.lhcb", "{}");
  await js.publish("tasks.PerVo._", "{}");
  await using leader = await grid.lead([PerVo]);
  // The same sweep puts this one away after it has looked for unknown names.
  await deadLetter(grid, "dead.PerVo._");
  t.notRegex(leader.alarms.join(), /No running worker knows/);
});

test("on later.> a rhythm in place of a time, and a target that is another task's, become dead letters", async (t) => {
  await using grid = await startGrid();
  const send = (id: string, schedule: string, target: string) => {
    const headers = newHeaders();
    headers.set(SCHEDULE, schedule);
    headers.set(SCHEDULE_TARGET, target);
    return grid.broker.js.publish(`later.PerVo.lhcb.${id}`, "{}", { headers });
  };
  await send("rhythm", "@every 1h", "due.PerVo.lhcb");
  await using _leader = await grid.lead([PerVo]);
  const rhythm = await deadLetter(grid, "dead.PerVo.lhcb");
  t.regex(rhythm.header?.get(DEAD_REASON) ?? "", /"@every 1h" is no single time/);
  await send("elsewhere", `@at ${new Date(Date.now() + 3_600_000).toISOString()}`, "due.PerVo.belle2");
  let other = rhythm;
  while (other.seq === rhythm.seq) other = await deadLetter(grid, "dead.PerVo.lhcb");
  t.regex(other.header?.get(DEAD_REASON) ?? "", /names "due\.PerVo\.belle2", and its subject due\.PerVo\.lhcb/);
});

test("on later.> a message without a time becomes a dead letter, one with a time waits", async (t) => {
  await using grid = await startGrid();
  const timed = newHeaders();
  timed.set(SCHEDULE, `@at ${new Date(Date.now() + 3_600_000).toISOString()}`);
  timed.set(SCHEDULE_TARGET, "due.PerVo.lhcb");
  await grid.broker.js.publish("later.PerVo.lhcb.timed", "{}", { headers: timed });
  await grid.broker.js.publish("later.PerVo", '{"short":true}');
  await grid.broker.js.publish("later.PerVo.lhcb.a=2Fb", '{"lost":true}');
  await using _leader = await grid.lead([PerVo]);
  const dead = await deadLetter(grid, "dead.PerVo.lhcb");
  t.is(dead.header?.get(TASK_ID), "a/b");
  t.is(dead.string(), '{"lost":true}');
  t.regex(dead.header?.get(DEAD_REASON) ?? "", /no Nats-Schedule header/);
  const lying = async () => (await grid.broker.jsm.streams.info(LATER, { subjects_filter: "later.>" })).state.subjects;
  // The dead letters are stored before these messages go.
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    if (Object.keys((await lying()) ?? {}).length === 1) break;
  }
  t.deepEqual(await lying(), { "later.PerVo.lhcb.timed": 1 });
});

test("thousands of bad messages are put away without delaying the schedules or other bad ones", async (t) => {
  await using grid = await startGrid();
  const many = 5_000;
  await Promise.all(Array.from({ length: many }, () => grid.broker.js.publish("tasks.2bad.lhcb", "{}")));
  await grid.broker.js.publish("tasks.PerVo", "{}");
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([PerVo, periodic("Tick", every({ seconds: 1 }))]);
  const { seq } = await deadLetter(grid, "dead.PerVo._");
  t.true(seq < many, "it did not wait for all of the others");
  for (let round = 1; round <= 3; round++) {
    const one = (await heard.atLeast(round)).at(-1) ?? t.fail();
    t.true(one.heardAt - one.dueAt < 10_000, `${one.heardAt - one.dueAt} ms late`);
    await grid.finish(one);
  }
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(100)) {
    if ((await countOn(grid, "tasks.2bad.>"))["tasks.2bad.lhcb"] === undefined) break;
  }
  t.is(
    (await grid.broker.jsm.streams.info(DEAD, { subjects_filter: "dead.2bad.>" })).state.subjects?.["dead.2bad.lhcb"],
    many,
  );
  t.deepEqual(leader.alarms, []);
});

test("a configuration that knows no VO throws out nothing", async (t) => {
  await using grid = await startGrid({ vos: [] });
  await grid.broker.js.publish("tasks.PerVo.lhcb", "{}");
  await grid.broker.js.publish("markers.PerVo.lhcb.default", "{}");
  await using leader = await grid.lead([PerVo]);
  for (const until = Date.now() + 60_000; leader.alarms.length === 0 && Date.now() < until; ) await pause(20);
  t.regex(leader.alarms.join(), /knows no VO/);
  await assertCounts(t, grid, { on: ">", are: { "tasks.PerVo.lhcb": 1, "markers.PerVo.lhcb.default": 1 } });
});

test("after the configuration was lost with everybody away, VOs that are added one by one keep what waits for them, and the others' stays", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "atlas", "cms"] });
  const { js, jsm } = grid.broker;
  for (const vo of ["lhcb", "atlas", "cms"]) await js.publish(`tasks.PerVo.${vo}`, "{}");
  await js.publish("markers.PerVo.cms.default", "{}");
  await grid.configuration[Symbol.asyncDispose]();
  await jsm.streams.purge("KV_config");
  await pause(11_000); // what waits is older than the grace
  await changeConfiguration(grid.broker, (now) => withVo(now, "lhcb"), { from: "nothing" });
  await js.publish("tasks.PerVo.never", "{}");
  await using leader = await grid.lead([PerVo]);
  await pause(2_000);
  await grid.configure((now) => withVo(now, "atlas"));
  const addedAt = Date.now();
  await deadLetter(grid, "dead.PerVo.never");
  t.true(Date.now() - addedAt > 9_500, "the grace counts from the last change");
  await assertCounts(t, grid, {
    on: ">",
    are: {
      ...{ "tasks.PerVo.lhcb": 1, "tasks.PerVo.atlas": 1, "tasks.PerVo.cms": 1 },
      "markers.PerVo.cms.default": 1,
    },
  });
  t.regex(leader.alarms.join("\n"), /tasks\.PerVo\.cms wait since .* from before the configuration.*muster vo add cms/);
  await grid.configure((now) => withoutVo(withVo(now, "cms"), "cms"));
  for (const late = AbortSignal.timeout(60_000); "tasks.PerVo.cms" in (await countOn(grid, ">")); await pause(50))
    late.throwIfAborted();
  t.is((await jsm.streams.info(DEAD)).state.messages, 1);
});

test("while the newest configuration is not in force, no VO's tasks are put away as unknown", async (t) => {
  await using grid = await startGrid();
  await grid.broker.js.publish("tasks.PerVo.added", "{}");
  await grid.broker.buckets.config.put("current", '{"vos":{"added":{"state":"active"}}}');
  await pause(11_000);
  await using leader = await grid.lead([PerVo]);
  const wanted = /vos\.added\.changedAt.*Tasks of VOs that are not known are left alone/;
  for (const late = AbortSignal.timeout(60_000); !leader.alarms.some((alarm) => wanted.test(alarm)); await pause(20))
    late.throwIfAborted();
  await pause(300);
  await assertCounts(t, grid, { on: ">", are: { "tasks.PerVo.added": 1 } });
});

test("at rest one marker a schedule is left, however many occurrences there were", async (t) => {
  await using grid = await startGrid();
  for (let number = 0; number < 20; number++) await grid.broker.js.publish("markers.Tick.lhcb.default", "{}");
  await grid.broker.js.publish("markers.Tick.nobody.default", "{}");
  await grid.broker.js.publish("markers.what", "{}");
  await grid.configure((now) => withSchedule(now, { task: "Tick" }, "every 40d"));
  await using _leader = await grid.lead([periodic("Tick", every({ seconds: 1 }))]);
  const wanted = JSON.stringify({ "markers.Tick.lhcb.default": 1 });
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    if (JSON.stringify(await countOn(grid, ">")) === wanted) break;
  }
  t.is(JSON.stringify(await countOn(grid, ">")), wanted);
  const newest = await grid.broker.jsm.streams.getMessage(TASKS, { last_by_subj: "markers.Tick.lhcb.default" });
  t.regex(newest?.string() ?? "", /every 40d/);
});
