import { type AnyTask, atLeastOnceFactory, defineLockType, exponentialBackoff } from "@muster/tasks";
import { pauseQueue, resumeQueue } from "@muster/tasks/operate";
import test from "ava";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();

interface ProbedOptions {
  readonly name: string;
  readonly permits?: number;
  readonly tasks: readonly AnyTask[];
}

/** A worker of which a test can know what it has heard. */
async function startProbed(muster: Muster, { name, permits = 1, tasks }: ProbedOptions) {
  const started = new Set<string>();
  const SignTask = defineTask({
    name: `${name}SignTask`,
    priority: "realtime",
    execute: ({ taskId }) => void started.add(taskId),
  });
  const ProbeTask = defineTask({ name: `${name}ProbeTask`, priority: "background", execute() {} });
  const worker = await muster.startWorker({ tasks: [SignTask, ProbeTask, ...tasks], permits });
  /** Resolves when a task has been done after all that this worker could take before. */
  async function probe(): Promise<void> {
    const { taskId } = await muster.publish(ProbeTask);
    await muster.event("done", taskId);
  }
  return {
    worker,
    probe,
    /**
     * Resolves when this worker knows all pauses that are stored now. It reads them in their order, and the last one is for its own
     * realtime task. With one free permit it would start that before the probe.
     */
    async untilHeard(): Promise<void> {
      await pauseQueue(muster.broker, { task: SignTask.name });
      await until(async () => {
        const { taskId } = await muster.publish(SignTask);
        await probe();
        return started.has(taskId) ? undefined : true;
      }, `${name} to leave its task alone`);
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

for (const target of [{ task: "UrgentTask" }, { vo: "lhcb" }, { task: "UrgentTask", vo: "lhcb" }] as const) {
  test(`no worker takes a new realtime task while ${JSON.stringify(target)} is paused, others go on, and what waited runs once it is resumed`, async (t) => {
    await using muster = await startMuster({ vos: ["lhcb", "cms"] });
    const started: string[] = [];
    const UrgentTask = defineTask({
      name: "UrgentTask",
      per: "vo",
      priority: "realtime",
      execute: ({ taskId }) => void started.push(taskId),
    });
    const publish = async (vo: string) => (await muster.publish(UrgentTask, { vo })).taskId;
    const tasks = [UrgentTask];
    await using one = await startProbed(muster, { name: "One", tasks });
    await using two = await startProbed(muster, { name: "Two", tasks });
    await muster.event("done", await publish("lhcb"));
    await pauseQueue(muster.broker, target, { reason: "CE is down", by: "ana@ui01" });
    for (const { untilHeard } of [one, two]) await untilHeard();
    const held = await Promise.all([publish("lhcb"), publish("lhcb"), publish("lhcb"), publish("lhcb")]);
    await using third = await startProbed(muster, { name: "Three", tasks });
    for (const { probe } of [one, two, third]) await probe();
    const others = "vo" in target ? [await publish("cms"), await publish("cms")] : [];
    for (const taskId of others) await muster.event("done", taskId);
    t.deepEqual(
      held.filter((taskId) => started.includes(taskId)),
      [],
    );

    t.true(await resumeQueue(muster.broker, target));
    for (const taskId of held) await muster.event("done", taskId);
    t.is(new Set(started).size, started.length, "each ran once");
  });
}

test("a task that is in hand and has not begun when it is paused goes back at once; one that runs goes on, and its retry waits", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const pauseLock = defineLockType("queue_pause_test");
  const goOn = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const WaitingTask = defineTask({
    name: "WaitingTask",
    per: "vo",
    locks: () => [pauseLock.mutex("a")],
    execute() {},
  });
  const RunningTask = defineTask({
    name: "RunningTask",
    per: "vo",
    retry: exponentialBackoff({ firstDelayMs: 1 }),
    async execute({ attempt }) {
      attempts.push(attempt);
      if (attempt > 1) return;
      await goOn.promise;
      throw new Error("the first attempt fails");
    },
  });
  const tasks = [WaitingTask, RunningTask];
  // One permit for the task that runs, and one for the probes.
  await using one = await startProbed(muster, { name: "One", permits: 2, tasks });
  const holder = await muster.hold("queue_pause_test.a");
  const waiting = await muster.publish(WaitingTask, { vo: "lhcb" });
  const running = await muster.publish(RunningTask, { vo: "lhcb" });
  await muster.event("contended", waiting.taskId);
  await muster.event("started", running.taskId);
  await pauseQueue(muster.broker, { vo: "lhcb" });
  await one.untilHeard();
  t.like(one.worker.health(), { running: 1, buffered: 0, waitingForLocks: 0 });

  await holder.letGo();
  goOn.resolve();
  await muster.event("retry", running.taskId);
  const isInTasks = async () => {
    const { state } = await muster.broker.jsm.streams.info("TASKS", { subjects_filter: "tasks.*.lhcb" });
    return Object.keys(state.subjects ?? {}).length === 2 ? true : undefined;
  };
  await until(isInTasks, "the retry's time");
  await using two = await startProbed(muster, { name: "Two", tasks });
  for (const { probe, worker } of [one, two]) {
    await probe();
    t.like(worker.health(), { running: 0, buffered: 0, waitingForLocks: 0 });
  }
  t.deepEqual(attempts, [1]);
  t.false(muster.events.of(waiting.taskId).includes("started"));

  await resumeQueue(muster.broker, { vo: "lhcb" });
  for (const { taskId } of [waiting, running]) await muster.event("done", taskId);
  t.deepEqual(attempts, [1, 2]);
});

test("I41: a pause outlives the workers and a hard end of the server, and ends by the resume alone", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const started: string[] = [];
  const HeldTask = defineTask({ name: "HeldTask", per: "vo", execute: ({ taskId }) => void started.push(taskId) });
  const first = await startProbed(muster, { name: "One", tasks: [HeldTask] });
  await pauseQueue(muster.broker, { task: "HeldTask" });
  await first.untilHeard();
  const { taskId } = await muster.publish(HeldTask, { vo: "lhcb" });
  await first.probe();
  await first[Symbol.asyncDispose]();
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  await using second = await startProbed(muster, { name: "Two", tasks: [HeldTask] });
  await second.probe();
  t.deepEqual(started, []);
  await resumeQueue(muster.broker, { task: "HeldTask" });
  await muster.event("done", taskId);
});
