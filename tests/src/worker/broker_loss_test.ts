import { atLeastOnceFactory, defineLockType, exponentialBackoff, noRetry } from "@muster/tasks";
import { listIncidents } from "@muster/tasks/operate";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { type Muster, type MusterOptions, startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { startTicks } from "../support/ticks.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const QuickTask = defineTask({ name: "QuickTask", per: "vo", execute() {} });
const FailOnceTask = defineTask({
  name: "FailOnceTask",
  per: "vo",
  retry: exponentialBackoff({ firstDelayMs: 200, maxDelayMs: 200 }),
  execute({ attempt }) {
    if (attempt === 1) throw new Error("not at first");
  },
});
const tasks = [QuickTask, FailOnceTask];
const siteLock = defineLockType("broker_loss_site");

/** A worker that has run tasks of each way in, so that all it needs is there. */
async function startWarm(options: MusterOptions = {}) {
  const muster = await startMuster(options);
  const worker = await muster.startWorker({ tasks });
  await worksWell(muster);
  return { muster, worker };
}

const nonEmpty = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined);

/** Runs a task that comes at once, one that is delayed and one that is retried. */
async function worksWell(muster: Muster): Promise<void> {
  const quick = await muster.publish(QuickTask, { vo: "lhcb" });
  const retried = await muster.publish(FailOnceTask, { vo: "atlas" });
  const delayed = await muster.publish(QuickTask, { vo: "lhcb", at: new Date(Date.now() + 500) });
  for (const { taskId } of [quick, retried, delayed]) await muster.event("done", taskId);
}

const STREAMS = ["TASKS", "LATER", "DEAD", "EVENTS", "KV_results", "KV_config", "KV_locks", "KV_workers"];

for (const stream of STREAMS) {
  test(`${stream} is deleted while all runs: it is declared again with an alarm, and all works within ten seconds`, async (t) => {
    const { muster, worker } = await startWarm();
    await using _ = muster;
    const deletedAtMs = performance.now();
    await muster.broker.jsm.streams.delete(stream);
    const isThere = async () => (await muster.broker.jsm.streams.names().next()).includes(stream) || undefined;
    await until(isThere, `${stream} again`);
    await worksWell(muster);
    const tookMs = performance.now() - deletedAtMs;
    t.log(`${Math.round(tookMs)} ms`);
    t.true(tookMs < 60_000, `it took ${tookMs} ms`); // ten seconds on a machine of its own
    const told = stream.replace("KV_", "bucket ");
    // Whoever publishes may find out before the worker does.
    // It is told once all streams have been looked at. The work may be done before that.
    const alarms = () => [...worker.watcher.alarms, ...muster.watcher.alarms];
    await t.notThrowsAsync(until(async () => alarms().find((alarm) => alarm.includes(told)), `an alarm about ${told}`));
  });
}

test("a consumer that is deleted while all runs is created again at once, told by an alarm, and kept for the doctor", async (t) => {
  const { muster, worker } = await startWarm();
  await using _ = muster;
  await muster.broker.jsm.consumers.delete("TASKS", "QuickTask__lhcb");
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  t.true(((await muster.event("done", taskId)).tookMs ?? 0) < 10_000);
  const text = "Consumer QuickTask__lhcb had gone and was created again";
  t.deepEqual(worker.watcher.alarms, [text]);
  const [incident] = await until(async () => nonEmpty(await listIncidents(muster.broker)), "the incident");
  t.like(incident, { kind: "gone", about: "consumer QuickTask__lhcb", text });
});

test("I4: after TASKS was created anew its sequences begin again, and tasks still start at once", async (t) => {
  const { muster } = await startWarm();
  await using _ = muster;
  for (let count = 0; count < 20; count++) await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.settled();
  await muster.broker.jsm.streams.delete("TASKS");
  await muster.broker.declareMissing();
  await worksWell(muster);
  await using ticks = startTicks(muster.broker.nc);
  const took: number[] = [];
  for (let count = 0; count < 10; count++) {
    const sentAt = ticks.now();
    const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
    await muster.event("started", taskId);
    took.push(ticks.now() - sentAt);
  }
  t.log(took.join(", "));
  // The sweep alone would find each of them after a second, which is some ninety ticks.
  t.true((took.toSorted((a, b) => a - b)[5] ?? Number.NaN) < 20);
});

test("tasks that wait, are delayed, are retried and run are each done after the server was killed and came back", async (t) => {
  // What is stored survives the kill: a server that writes lazily may have it in its memory alone.
  await using nats = await startTestNats({ sync: true });
  const { muster, worker } = await startWarm({ nats });
  await using _ = muster;
  // Those are due once the server is back. On a machine that takes longer, some may be due while it is killed, and run twice.
  const at = new Date(Date.now() + 15_000);
  await muster.publishMany(
    QuickTask,
    Array.from({ length: 500 }, () => ({ vo: "lhcb" })),
  );
  const delayed = await muster.publishMany(
    QuickTask,
    Array.from({ length: 20 }, () => ({ vo: "atlas", at })),
  );
  await muster.publishMany(
    FailOnceTask,
    Array.from({ length: 20 }, () => ({ vo: "lhcb" })),
  );
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  const wasBackInTime = Date.now() < at.getTime();
  const backAtMs = performance.now();
  await until(async () => (worker.health().problems.length === 0 ? true : undefined), "a ready worker");
  await muster.settled(); // an event may have been lost with the server, so what is in the streams is what counts
  t.log(`empty ${Math.round(performance.now() - backAtMs)} ms after the server came back`);
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.is((await muster.deadLetters()).length, 0);
  for (const delay of delayed) {
    const steps = worker.watcher.steps.filter((step) => step.taskId === delay.taskId);
    const names = steps.map(({ step }) => step);
    if (wasBackInTime) t.deepEqual(names, ["started", "done"]);
    else t.true(names.includes("done"), names.join());
  }
});

test("a server that was away for seconds finds all at work again soon after its return: locks, retries, children and acks", async (t) => {
  const ParentTask = defineTask({
    name: "ParentTask",
    per: "vo",
    payload: z.strictObject({ site: z.number() }),
    locks: ({ site }) => [siteLock.mutex(`ce${site}`)],
    async execute({ spawn }) {
      spawn(QuickTask, {});
      spawn(FailOnceTask, {});
      await pause(5);
    },
  });
  await using muster = await startMuster();
  // A lock that waits for its lapse misses the time below by far.
  const worker = await muster.startWorker({ tasks: [...tasks, ParentTask], lockTtlMs: 90_000 });
  const done = () => worker.watcher.steps.filter(({ step }) => step === "done");
  const ids = await muster.publishMany(
    ParentTask,
    Array.from({ length: 400 }, (_, index) => ({ vo: "lhcb", payload: { site: index % 20 } })),
  );
  await muster.event("done", ids[10]?.taskId ?? "");
  await muster.nats.kill();
  await pause(2_500); // longer than a request is waited for, so that others are made meanwhile
  const doneBefore = done().length;
  await muster.nats.start();
  const backAtMs = performance.now();
  await muster.reconnected();
  // One task for each lock and some more. They end only if no lock and no connection is still held.
  await until(async () => (done().length >= doneBefore + 40 ? true : undefined), "forty tasks done");
  const tookMs = performance.now() - backAtMs;
  t.log(`forty done ${Math.round(tookMs)} ms after the server came back`);
  t.true(tookMs < 45_000, `it took ${tookMs} ms`);
  await muster.settled();
  t.deepEqual(await muster.deadLetters(), []);
});

test("a broker that is away when a task without a database ends is not that task's failure", async (t) => {
  await using muster = await startMuster();
  const running = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const ParentTask = defineTask({
    name: "ParentTask",
    per: "vo",
    retry: noRetry(),
    async execute({ spawn }) {
      spawn(QuickTask, {});
      running.resolve();
      await gone.promise;
    },
  });
  const worker = await muster.startWorker({ tasks: [ParentTask, QuickTask] });
  const { taskId } = await muster.publish(ParentTask, { vo: "lhcb" });
  await running.promise;
  await muster.nats.kill();
  gone.resolve();
  await until(async () => worker.watcher.steps.find(({ step }) => step === "abandoned"), "the end of the run");
  await muster.nats.start();
  await muster.reconnected();
  // Events may have been told before we were connected again.
  const isDone = async () => worker.watcher.steps.find((step) => step.step === "done" && step.taskId === taskId);
  t.is((await until(isDone, "the end of the second run")).attempt, 1);
  await muster.settled();
  t.is((await muster.deadLetters()).length, 0);
});
