import { atLeastOnceFactory, type TaskDefinition } from "@muster/tasks";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();

/** Publishes one task after the other, each when the one before is done, so that their lane is waited for. Answers the longest way to its end, ms. */
async function oneByOne(muster: Muster, task: TaskDefinition, count: number): Promise<number> {
  let longestMs = 0;
  for (let number = 0; number < count; number++) {
    const sentAtMs = performance.now();
    const { taskId } = await muster.publish(task, { vo: "lhcb" });
    await muster.event("done", taskId);
    longestMs = Math.max(longestMs, performance.now() - sentAtMs);
  }
  return longestMs;
}

/** Tasks with names of their own that end at once, and ones that end when they are told to. */
function tasksOf() {
  const gate = Promise.withResolvers<void>();
  const HotTask = defineTask({ name: "HotTask", per: "vo", execute() {} });
  const OtherTask = defineTask({ name: "OtherTask", per: "vo", execute() {} });
  const LongTask = defineTask({ name: "LongTask", per: "vo", execute: () => gate.promise });
  return { HotTask, OtherTask, LongTask, open: () => gate.resolve() };
}

test("an idle worker's pull for its next task is at the server before the task is", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 2 });
  await oneByOne(muster, HotTask, 3);
  const pulls: string[] = [];
  // Whoever listens answers for a consumer that is not there yet; this one is.
  muster.broker.nc.subscribe("$JS.API.CONSUMER.MSG.NEXT.TASKS.>", {
    callback: (_error, message) => void pulls.push(message.string()),
  });
  await muster.broker.nc.flush();
  await oneByOne(muster, HotTask, 10);
  t.deepEqual(
    pulls.filter((body) => body.includes("no_wait")),
    [],
  );
  t.true(pulls.length >= 9 && pulls.length <= 12, pulls.join("\n"));
});

test("a worker that waits for one lane does another's task at once, and what comes for the first meanwhile is done by somebody else", async (t) => {
  const { HotTask, LongTask, open } = tasksOf();
  await using muster = await startMuster();
  const single = await muster.startWorker({ tasks: [HotTask, LongTask], permits: 1 });
  await oneByOne(muster, HotTask, 3);
  const long = await muster.publish(LongTask, { vo: "lhcb" });
  const started = await muster.event("started", long.taskId);
  t.is(started.worker, single.name);

  const other = await muster.startWorker({ tasks: [HotTask], permits: 1 });
  const hot = await muster.publish(HotTask, { vo: "lhcb" });
  const done = await muster.event("done", hot.taskId);
  t.is(done.worker, other.name);
  open();
  await muster.event("done", long.taskId);
});

test("a single permit goes from lane to lane without waiting for a pull to lapse", async (t) => {
  const { HotTask, OtherTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask, OtherTask], permits: 1 });
  let longestMs = 0;
  for (let round = 0; round < 20; round++) {
    await oneByOne(muster, HotTask, 2);
    longestMs = Math.max(longestMs, await oneByOne(muster, OtherTask, 1));
  }
  t.log(`the longest took ${Math.round(longestMs)} ms`);
  t.true(longestMs < 500, `${longestMs} ms: found by the sweep, or by the pull's end`);
});

test("nothing is left for the sweep where several idle workers wait for one lane and a few tasks come together", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  for (let worker = 0; worker < 3; worker++) await muster.startWorker({ tasks: [HotTask], permits: 2 });
  await oneByOne(muster, HotTask, 12);
  let longestMs = 0;
  for (let round = 0; round < 150; round++) {
    const sentAtMs = performance.now();
    const burst = Array.from({ length: 1 + (round % 5) }, () => muster.publish(HotTask, { vo: "lhcb" }));
    await Promise.all(burst.map(async (sent) => muster.event("done", (await sent).taskId)));
    longestMs = Math.max(longestMs, performance.now() - sentAtMs);
  }
  t.log(`the longest burst took ${Math.round(longestMs)} ms`);
  t.true(longestMs < 500, `${longestMs} ms: found by the sweep`);
});

test("a worker that is drained takes its pull back, or hands back what it brings", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  for (let round = 0; round < 5; round++) {
    const leaving = await muster.startWorker({ tasks: [HotTask], permits: 1 });
    await oneByOne(muster, HotTask, 6);
    const tasks = Array.from({ length: 20 }, () => muster.publish(HotTask, { vo: "lhcb" }));
    await leaving.drain();
    for (const { taskId } of await Promise.all(tasks)) await muster.event("done", taskId);
    t.true((await oneByOne(muster, HotTask, 3)) < 2_000, "nothing lies with the one that has left");
  }
  await muster.settled(5_000);
});

test("a pull that was open when the broker died is opened anew", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  await oneByOne(muster, HotTask, 3);
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  t.true((await oneByOne(muster, HotTask, 1)) < 10_000);
  await oneByOne(muster, HotTask, 2);
  t.true((await oneByOne(muster, HotTask, 3)) < 500);
});

test("a pull whose consumer is deleted does not keep its lane's next task", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  await oneByOne(muster, HotTask, 3);
  await until(async () => ((await muster.waiting()) === 0 ? true : undefined), "the ack of the last task");
  await muster.broker.jsm.consumers.delete("TASKS", "HotTask__lhcb");
  t.true((await oneByOne(muster, HotTask, 1)) < 3_000);
});
