import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, defineLockType, type Lock, noRetry } from "@muster/tasks";
import { changeConfiguration, type Configuration, listIncidents, listWorkers } from "@muster/tasks/operate";
import test from "ava";
import { once } from "node:events";
import { createTestDatabase, defineSqlTask } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const postgres = await startTestServer();
test.after.always(() => postgres[Symbol.asyncDispose]());

const defineTask = atLeastOnceFactory();

/** Sets what the configuration says of a task. */
async function override({ broker }: Muster, task: string, settings: Configuration["tasks"][string]): Promise<void> {
  await changeConfiguration(broker, (now) => ({ ...now, tasks: { ...now.tasks, [task]: settings } }));
}

test("a timeout and a retry policy of the configuration act on the next run of the VO that has them, and taken back no more", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "cms"] });
  const SlowTask = defineTask({
    name: "SlowTask",
    per: "vo",
    retry: noRetry(),
    async execute({ signal, vo }) {
      if (vo === "cms") return;
      await once(signal, "abort");
      throw signal.reason;
    },
  });
  await override(muster, "SlowTask", {
    vos: { lhcb: { timeout: "100ms", retry: { maxRetries: 1, firstDelay: "1ms" } } },
  });
  await muster.startWorker({ tasks: [SlowTask] });
  const first = await muster.publish(SlowTask, { vo: "lhcb" });
  await muster.event("dead", first.taskId);
  t.deepEqual(muster.events.of(first.taskId), ["started", "retry", "started", "dead"]);
  const [letter] = await muster.deadLetters();
  t.regex(letter?.reason ?? "", /timeout of 100 ms/);

  // While the worker runs: in force within a second, so the task after the next look has it.
  await override(muster, "SlowTask", { timeout: "200ms" });
  await until(async () => {
    const { taskId } = await muster.publish(SlowTask, { vo: "lhcb" });
    await muster.event("dead", taskId);
    return muster.events.of(taskId).join() === "started,dead" ? true : undefined;
  }, "a run under the definition's own retry policy");
  const last = (await muster.deadLetters()).at(-1);
  t.regex(last?.reason ?? "", /timeout of 200 ms/);
  const other = await muster.publish(SlowTask, { vo: "cms" });
  await muster.event("done", other.taskId);
});

test("a priority of the configuration decides who starts next, for the VO that has it", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  let started: string[] = [];
  let goOn = Promise.withResolvers<void>();
  const define = (name: string) =>
    defineTask({
      name,
      per: "vo",
      async execute() {
        started.push(name);
        await goOn.promise;
      },
    });
  const [BlockingTask, EarlyTask, LateTask] = [define("BlockingTask"), define("EarlyTask"), define("LateTask")];
  await muster.startWorker({ tasks: [BlockingTask, EarlyTask, LateTask], permits: 1 });

  /** The order in which three tasks of each name start that were all there before the first of them could. */
  async function order(): Promise<string> {
    started = [];
    goOn = Promise.withResolvers();
    await muster.publish(BlockingTask, { vo: "lhcb" });
    await until(async () => (started.length === 1 ? true : undefined), "the start of the task that blocks");
    for (const task of [EarlyTask, LateTask])
      await muster.publishMany(task, [{ vo: "lhcb" }, { vo: "lhcb" }, { vo: "lhcb" }]);
    goOn.resolve();
    await until(async () => (started.length === 7 ? true : undefined), "all starts");
    return started
      .slice(1)
      .map((name) => name.charAt(0))
      .join("");
  }

  await order(); // the worker has heard of all three
  await override(muster, "LateTask", { priority: "background", vos: { lhcb: { priority: "realtime" } } });
  await until(async () => ((await order()) === "LLLEEE" ? true : undefined), "the late ones to be first");
  await override(muster, "LateTask", { priority: "background" });
  await until(async () => ((await order()) === "EEELLL" ? true : undefined), "the late ones to be last");
  t.pass();
});

test("a task that waits for a lock when the configuration changes runs under what that says then", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const overrideLock = defineLockType("override_test");
  const define = (name: string, locks: readonly Lock[]) =>
    defineTask({
      name,
      per: "vo",
      timeoutMs: 1_000,
      retry: noRetry(),
      locks: () => locks,
      async execute({ signal }) {
        await once(signal, "abort");
        throw signal.reason;
      },
    });
  const [WaitingTask, ProbeTask] = [define("WaitingTask", [overrideLock.mutex("a")]), define("ProbeTask", [])];
  await muster.startWorker({ tasks: [WaitingTask, ProbeTask] });
  const holder = await muster.hold("override_test.a");
  const { taskId } = await muster.publish(WaitingTask, { vo: "lhcb" });
  await muster.event("contended", taskId);
  await changeConfiguration(muster.broker, (now) => ({
    ...now,
    tasks: { WaitingTask: { timeout: "150ms" }, ProbeTask: { timeout: "50ms" } },
  }));
  // Once one ends by the new timeout, the worker has heard of the change.
  await until(async () => {
    const probe = await muster.publish(ProbeTask, { vo: "lhcb" });
    await muster.event("dead", probe.taskId);
    return (await muster.deadLetters()).some(({ reason }) => /timeout of 50 ms/.test(reason)) ? true : undefined;
  }, "an end by the new timeout");
  await holder.letGo();
  await muster.event("dead", taskId);
  t.true((await muster.deadLetters()).some(({ reason }) => /timeout of 150 ms/.test(reason)));
});

test("a timeout above the longest transaction of the database is told once, kept for doctor, and changes nothing", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  await using database = await createTestDatabase(postgres, { transactionTimeoutMs: 60_000 });
  const EffectTask = defineSqlTask({ name: "EffectTask", per: "vo", timeoutMs: 60_000, execute() {} });
  await override(muster, "EffectTask", { timeout: "2h", priority: "realtime" });
  const worker = await muster.startWorker({ tasks: [EffectTask], ...database.forWorker });
  for (let count = 0; count < 3; count++) {
    const { taskId } = await muster.publish(EffectTask, { vo: "lhcb" });
    await muster.event("done", taskId);
  }
  const told = worker.watcher.alarms.filter((text) => text.includes("tasks.EffectTask.timeout"));
  t.is(told.length, 1, worker.watcher.alarms.join("\n"));
  t.regex(
    told[0] ?? "",
    /it is 2h, and the database ends every transaction of this worker after 1m; it changes nothing/,
  );
  const [record] = await listWorkers(muster.broker);
  t.deepEqual(record?.unusable, told, "its record has it as long as it lasts");
  await until(async () => {
    const incidents = await listIncidents(muster.broker);
    return incidents.some(({ kind, text }) => kind === "configuration" && text === told[0]) ? true : undefined;
  }, "the incident");
});
