import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";
import { until, within } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("drain_test_site");

test("I23: a drained worker's prefetched and waiting tasks run elsewhere within a second, and no attempt or poison count is used", async (t) => {
  const ShortTask = defineTask({ name: "ShortTask", per: "vo", execute: () => pause(2) });
  const SiteTask = defineTask({
    name: "SiteTask",
    per: "vo",
    locks: () => [siteLock.mutex("ce01")],
    execute() {},
  });
  await using muster = await startMuster();
  const first = await muster.startWorker({ tasks: [ShortTask, SiteTask], permits: 10, drainMs: 60_000 });
  const holder = await muster.hold("drain_test_site.ce01");
  const waiting = await muster.publish(SiteTask, { vo: "lhcb" });
  await muster.event("contended", waiting.taskId);
  const ids = await muster.publishMany(
    ShortTask,
    Array.from({ length: 3_000 }, () => ({ vo: "lhcb" })),
  );
  const second = await muster.startWorker({ tasks: [ShortTask, SiteTask], permits: 10 });
  await until(async () => (first.health().buffered > 0 ? true : undefined), "a prefetched task");

  const drainedAtMs = performance.now();
  await first.drain();
  const tookMs = performance.now() - drainedAtMs;
  const lastOfFirst = Math.max(
    ...muster.events.steps.filter(({ worker }) => worker === first.name).map(({ heardAtMs }) => heardAtMs),
  );
  t.true(tookMs < 30_000, `draining took ${tookMs} ms`);
  await holder.letGo();
  for (const { taskId } of [...ids, waiting]) await muster.event("done", taskId);
  await muster.settled();

  for (const { taskId } of [...ids, waiting]) {
    const starts = muster.events.steps.filter((step) => step.taskId === taskId && step.step === "started");
    t.deepEqual(
      starts.map(({ attempt }) => attempt),
      [1],
    );
  }
  const gaps = muster.events.steps.filter(({ step, worker }) => step === "started" && worker === second.name);
  // What was handed back began again at once. Nothing waited for the ack wait of 20 s.
  const longest = Math.max(
    ...gaps.map(({ heardAtMs }, index) => heardAtMs - (gaps[index - 1]?.heardAtMs ?? heardAtMs)),
  );
  t.log(
    `drained in ${Math.round(tookMs)} ms, longest pause of the other ${Math.round(longest)} ms, last word ${Math.round(lastOfFirst - drainedAtMs)} ms`,
  );
  t.true(longest < 10_000);
  t.deepEqual(await muster.results("starts."), []);
});

test("I23: a drained worker tells the others of what it has handed back", async (t) => {
  const SiteTask = defineTask({ name: "SiteTask", per: "vo", locks: () => [siteLock.mutex("ce02")], execute() {} });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [SiteTask] });
  const holder = await muster.hold("drain_test_site.ce02");
  const waiting = await muster.publish(SiteTask, { vo: "lhcb" });
  await muster.event("contended", waiting.taskId);
  const wakes: boolean[] = [];
  // A stored message wakes with headers, what was handed back without.
  muster.broker.nc.subscribe("wake.SiteTask.lhcb", {
    callback: (_, { headers }) => void wakes.push(headers === undefined),
  });
  await muster.broker.nc.flush();
  await worker.drain();
  await muster.broker.nc.flush();
  t.deepEqual(wakes, [true]);
  await holder.letGo();
});

test("I23: a task that runs is aborted at the drain's deadline, and starts elsewhere at once with the same attempt", async (t) => {
  const LongTask = defineTask({
    name: "LongTask",
    per: "vo",
    payload: z.strictObject({ ms: z.number() }),
    async execute({ payload, signal, attempt }) {
      if (payload.ms > 0) await pause(payload.ms, undefined, { signal });
      return attempt;
    },
  });
  await using muster = await startMuster();
  const first = await muster.startWorker({ tasks: [LongTask], drainMs: 3_000 });
  const short = await muster.publish(LongTask, { vo: "lhcb", payload: { ms: 200 } });
  const long = await muster.publish(LongTask, { vo: "lhcb", payload: { ms: 60_000 } });
  await muster.event("started", short.taskId);
  await muster.event("started", long.taskId);
  await using second = await muster.startWorker({ tasks: [LongTask], drainMs: 100 });
  await first.drain();
  t.is((await muster.event("done", short.taskId)).worker, first.name); // within its deadline
  const abandoned = await muster.event("abandoned", long.taskId);
  const again = await muster.event("started", long.taskId, 2);
  t.is(again.worker, second.name);
  t.is(again.attempt, 1);
  t.true(again.heardAtMs - abandoned.heardAtMs < 10_000, `it took ${again.heardAtMs - abandoned.heardAtMs} ms`);
});

test("draining ends in time with the broker away and locks held, and a second demand hastens it", async (t) => {
  const LongTask = defineTask({
    name: "LongTask",
    per: "vo",
    // Nobody answers its release, and it lapses long after the test.
    locks: () => [siteLock.mutex("ce02")],
    execute: ({ signal }) => pause(60_000, undefined, { signal }),
  });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [LongTask], drainMs: 60_000 });
  const { taskId } = await muster.publish(LongTask, { vo: "lhcb" });
  await muster.event("started", taskId);
  await muster.nats.kill();
  const drained = worker.drain();
  worker.hasten();
  await within(drained, () => "the end of draining", 30_000);
  t.pass();
});

test("a worker that drains says so, and is ready for nothing more", async (t) => {
  const begun = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const HeldTask = defineTask({
    name: "HeldTask",
    per: "vo",
    async execute() {
      begun.resolve();
      await mayEnd.promise;
    },
  });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [HeldTask] });
  await muster.publish(HeldTask, { vo: "lhcb" });
  await begun.promise;
  t.deepEqual(worker.health().problems, []);
  const drained = worker.drain();
  t.deepEqual(worker.health().problems, ["draining"]);
  mayEnd.resolve();
  await drained;
});
