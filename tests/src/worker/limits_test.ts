import { atLeastOnceFactory, callTask, defineLockType } from "@muster/tasks";
import { changeConfiguration, type Configuration } from "@muster/tasks/operate";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const site = defineLockType("limits_test_site");
const Empty = z.strictObject({});

/**
 * When this process was last seen to go on, by `performance.now()`. The machine may take it its CPU between the moment at which a task is let
 * begin and the task's look at the clock: for as long as since then, or as one beat before.
 */
const beats = { last: performance.now(), before: performance.now() };
const beating = setInterval(() => {
  beats.before = beats.last;
  beats.last = performance.now();
}, 5);
test.after.always(() => clearInterval(beating));

/** Defines a task that notes when it begins and how many run at a time. */
function noting(name: string, locks: Parameters<typeof defineTask>[0]["locks"] = () => [], ms = 0) {
  const begun: number[] = [];
  /** The earliest moment at which each one may have been let begin. */
  const letBegin: number[] = [];
  const seen = { begun, letBegin, leases: new Set<string>(), most: 0 };
  let running = 0;
  const task = defineTask({
    name,
    per: "vo",
    payload: Empty,
    locks: () => locks({} as never, ""),
    async execute({ leases }) {
      begun.push(performance.now());
      letBegin.push(beats.before);
      for (const { key } of leases) seen.leases.add(key);
      seen.most = Math.max(seen.most, ++running);
      await pause(ms);
      running--;
    },
  });
  return { task, seen };
}

function change(muster: Muster, next: (now: Configuration) => Configuration): Promise<Configuration> {
  return changeConfiguration(muster.broker, next);
}

const many = (count: number) => Array.from({ length: count }, () => ({ vo: "lhcb", payload: {} }));

test("I29: two workers begin no more tasks within any second than the rate allows, and after the burst a task begins at once", async (t) => {
  const { task, seen } = noting("WindowTask", () => [site.rate("window", "50/1s")]);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [task] });
  await muster.startWorker({ tasks: [task] });
  await muster.publishMany(task, many(180));
  await until(async () => (seen.begun.length === 180 ? true : undefined), "the end of the burst");
  // Both are noted in the order of the clock.
  const { begun, letBegin } = seen;
  for (const [at, ms] of letBegin.entries()) {
    const over = begun[at + 50];
    // Two windows at their edges would be far below.
    if (over !== undefined) t.true(over - ms >= 900, `51 began within ${over - ms} ms`);
  }
  await muster.settled();
  const { taskId } = await muster.publish(task, { vo: "lhcb", payload: {} });
  const { tookMs = Infinity } = await muster.event("started", taskId);
  t.log(
    `the burst took ${Math.round((begun.at(-1) ?? 0) - (begun[0] ?? 0))} ms, a task after it began within ${tookMs} ms`,
  );
  t.true(tookMs < 10_000);
});

test("a limit that is lifted acts at once, by the name of its lock type or of its key, and a limit that is set acts at once", async (t) => {
  const { task, seen } = noting("NamedTask", () => [site.rate("named", "1/1d"), site.concurrency("named")], 5);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [task] });
  const tasks = await muster.publishMany(task, many(40));
  await until(async () => (seen.begun.length === 1 ? true : undefined), "the one task of this day");
  await muster.event("contended", tasks[39]?.taskId ?? "");
  await change(muster, (now) => ({
    ...now,
    limits: { limits_test_site: { rate: "1/1d", concurrency: 2 }, "limits_test_site.named": { rate: "unlimited" } },
  }));
  await muster.settled();
  t.is(seen.begun.length, 40);
  t.true(seen.most <= 2, `${seen.most} ran at a time`);
});

test("settings of a task and of its VO limit it, in sum and by VO, and its run does not see their leases", async (t) => {
  const { task, seen } = noting("SetTask", () => [site.mutex("set")], 5);
  const free = noting("FreeTask", () => [], 5);
  await using muster = await startMuster();
  await change(muster, (now) => ({
    ...now,
    tasks: {
      SetTask: { vos: { lhcb: { rate: "3/1d" } } },
      FreeTask: { concurrency: 3, vos: { atlas: { concurrency: 1 } } },
    },
  }));
  await muster.startWorker({ tasks: [task, free.task] });
  await muster.startWorker({ tasks: [task, free.task] });
  await muster.publishMany(task, [...many(5), { vo: "atlas", payload: {} }]);
  await muster.publishMany(free.task, [...many(20), ...many(10).map((each) => ({ ...each, vo: "atlas" }))]);
  await until(async () => (free.seen.begun.length === 30 && seen.begun.length === 4 ? true : undefined), "their runs");
  t.true(free.seen.most <= 3, `${free.seen.most} ran at a time`);
  t.deepEqual([...seen.leases], ["limits_test_site.set"]);
  await change(muster, (now) => ({ ...now, tasks: {} }));
  await muster.settled();
  t.is(seen.begun.length, 6);
});

test("a wait for a limit uses up no attempt, however long it is", async (t) => {
  const used = noting("UsedTask", () => [site.rate("patience", "1/1d")]);
  const ImpatientTask = defineTask({
    name: "ImpatientTask",
    per: "vo",
    lockWaitMs: 200,
    locks: () => [site.rate("patience", "1/1d")],
    execute() {},
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [used.task, ImpatientTask] });
  await muster.event("done", (await muster.publish(used.task, { vo: "lhcb", payload: {} })).taskId);
  const { taskId } = await muster.publish(ImpatientTask, { vo: "lhcb", payload: {} });
  await muster.event("contended", taskId, 2);
  await change(muster, (now) => ({ ...now, limits: { limits_test_site: { rate: "unlimited" } } }));
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.false(muster.events.of(taskId).includes("retry"));
});

test("a call by hand passes the limiters of its task, and waits for its locks", async (t) => {
  const { task, seen } = noting("CalledTask", () => [site.rate("called", "1/1d"), site.exclusive("called")]);
  await using muster = await startMuster();
  const call = () => callTask({ broker: muster.broker, nats: muster.nats, task, vo: "lhcb" });
  await call();
  await call();
  t.is(seen.begun.length, 2);
  t.deepEqual([...seen.leases], ["_rate.limits_test_site.called", "_rw.limits_test_site.called"]);
});
