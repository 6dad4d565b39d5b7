import { atLeastOnceFactory, type TaskDefinition } from "@muster/tasks";
import { millis } from "@nats-io/transport-node";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { startTicks, type Ticks } from "../support/ticks.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();

/** Longest start of a task that does not wait for the survey, ticks: half a second on a quiet machine. */
const LEFT_TICKS = 45;
const NO_TICKS: Pick<Ticks, "now"> = { now: () => 0 };

/** Publishes one task after the other, each when the one before is done, so that the worker waits at their lane. Returns the longest task's length, ticks. */
async function oneByOne(
  muster: Muster,
  task: TaskDefinition,
  { count, ticks = NO_TICKS }: { readonly count: number; readonly ticks?: Pick<Ticks, "now"> },
): Promise<number> {
  let longest = 0;
  for (let number = 0; number < count; number++) {
    const sentAt = ticks.now();
    const { taskId } = await muster.publish(task, { vo: "lhcb" });
    await muster.event("done", taskId);
    longest = Math.max(longest, ticks.now() - sentAt);
  }
  return longest;
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
  await oneByOne(muster, HotTask, { count: 3 });
  const pulls: string[] = [];
  // A listener would answer for a consumer that does not exist yet. This one exists.
  muster.broker.nc.subscribe("$JS.API.CONSUMER.MSG.NEXT.TASKS.>", {
    callback: (_error, message) => void pulls.push(message.string()),
  });
  await muster.broker.nc.flush();
  const listensSinceMs = performance.now();
  const isOpen = async () =>
    (await muster.broker.jsm.consumers.info("TASKS", "HotTask__lhcb")).num_waiting > 0 ? true : undefined;
  for (let round = 0; round < 10; round++) {
    await until(isOpen, "the pull for the next task");
    await oneByOne(muster, HotTask, { count: 1 });
  }
  // On a busy machine a round may take longer than a pull stands. A task that comes just then is fetched by a pull of its own.
  const isNow = (body: string) => body.includes("no_wait");
  const [{ expires = Number.NaN } = {}] = pulls
    .filter((body) => !isNow(body))
    .map((body): { expires?: number } => JSON.parse(body));
  // The pull that stood before we listened may lapse at any moment after that.
  const lapses = 1 + Math.floor((performance.now() - listensSinceMs) / millis(expires));
  t.true(pulls.filter(isNow).length <= lapses, `${lapses} may have lapsed of\n${pulls.join("\n")}`);
  t.true(pulls.length >= 9 && pulls.length <= 12 + 2 * lapses, `${lapses} may have lapsed of\n${pulls.join("\n")}`);
});

test("a worker that waits for one lane does another's task at once, and what comes for the first meanwhile is done by somebody else", async (t) => {
  const { HotTask, LongTask, open } = tasksOf();
  await using muster = await startMuster();
  const single = await muster.startWorker({ tasks: [HotTask, LongTask], permits: 1 });
  await oneByOne(muster, HotTask, { count: 3 });
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
  await using ticks = startTicks(muster.broker.nc);
  let longest = 0;
  for (let round = 0; round < 20; round++) {
    await oneByOne(muster, HotTask, { count: 2 });
    longest = Math.max(longest, await oneByOne(muster, OtherTask, { count: 1, ticks }));
  }
  t.log(`the longest took ${longest} ticks`);
  t.true(longest < LEFT_TICKS, `${longest} ticks: found by the survey, or by the pull's end`);
});

test("nothing is left for the survey where several idle workers wait for one lane and a few tasks come together", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  for (let worker = 0; worker < 3; worker++) await muster.startWorker({ tasks: [HotTask], permits: 2 });
  await oneByOne(muster, HotTask, { count: 12 });
  await using ticks = startTicks(muster.broker.nc);
  let longest = 0;
  for (let round = 0; round < 150; round++) {
    const sentAt = ticks.now();
    const burst = Array.from({ length: 1 + (round % 5) }, () => muster.publish(HotTask, { vo: "lhcb" }));
    await Promise.all(burst.map(async (sent) => muster.event("done", (await sent).taskId)));
    longest = Math.max(longest, ticks.now() - sentAt);
  }
  t.log(`the longest burst took ${longest} ticks`);
  t.true(longest < LEFT_TICKS, `${longest} ticks: found by the survey`);
});

test("a worker that is drained takes its pull back, or hands back what it brings", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  for (let round = 0; round < 5; round++) {
    const leaving = await muster.startWorker({ tasks: [HotTask], permits: 1 });
    await oneByOne(muster, HotTask, { count: 6 });
    const tasks = Array.from({ length: 20 }, () => muster.publish(HotTask, { vo: "lhcb" }));
    await leaving.drain();
    for (const { taskId } of await Promise.all(tasks)) await muster.event("done", taskId);
    await using ticks = startTicks(muster.broker.nc);
    t.true(
      (await oneByOne(muster, HotTask, { count: 3, ticks })) < 4 * LEFT_TICKS,
      "nothing lies with the one that has left",
    );
  }
  await muster.settled();
});

test("a pull that was open when the broker died is opened anew", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  await oneByOne(muster, HotTask, { count: 3 });
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  await oneByOne(muster, HotTask, { count: 3 });
  await using ticks = startTicks(muster.broker.nc);
  t.true((await oneByOne(muster, HotTask, { count: 3, ticks })) < LEFT_TICKS);
});

test("a pull whose consumer is deleted does not keep its lane's next task", async (t) => {
  const { HotTask } = tasksOf();
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [HotTask], permits: 1 });
  await oneByOne(muster, HotTask, { count: 3 });
  await until(async () => ((await muster.waiting()) === 0 ? true : undefined), "the ack of the last task");
  await muster.broker.jsm.consumers.delete("TASKS", "HotTask__lhcb");
  await using ticks = startTicks(muster.broker.nc);
  t.true((await oneByOne(muster, HotTask, { count: 1, ticks })) < 6 * LEFT_TICKS);
});
