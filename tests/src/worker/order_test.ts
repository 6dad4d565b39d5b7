import { AckPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { atLeastOnceFactory, type Priority } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();

/** A task of each priority that notes its start, and takes `ms`. */
function tasksOf(ms: number) {
  const started: { priority: Priority; vo: string }[] = [];
  const define = (name: string, priority: Priority) =>
    defineTask({
      name,
      per: "vo",
      priority,
      async execute({ vo }) {
        started.push({ priority, vo });
        await pause(ms);
      },
    });
  return {
    started,
    realtime: define("RealtimeTask", "realtime"),
    normal: define("NormalTask", "normal"),
    background: define("BackgroundTask", "background"),
  };
}

/** Resolves once the server has sent the newest configuration to all who watch it. */
async function untilWatched({ broker: { jsm } }: Muster): Promise<void> {
  const newest = await jsm.streams.getMessage("KV_config", { last_by_subj: "$KV.config.current" });
  const isSent = async () => {
    const watchers = await jsm.consumers.list("KV_config").next();
    return watchers.every(({ delivered }) => delivered.stream_seq >= (newest?.seq ?? 0)) || undefined;
  };
  await until(isSent, "the watchers' news");
}

function many(count: number, vo: string) {
  return Array.from({ length: count }, () => ({ vo }));
}

test("a realtime task is the next to start on the first free permit, also when it comes a moment before it", async (t) => {
  const started: Priority[] = [];
  let mayEnd = Promise.withResolvers<void>();
  const RealtimeTask = defineTask({
    name: "RealtimeTask",
    per: "vo",
    priority: "realtime",
    execute: () => void started.push("realtime"),
  });
  const BackgroundTask = defineTask({
    name: "BackgroundTask",
    per: "vo",
    priority: "background",
    async execute() {
      started.push("background");
      await mayEnd.promise;
    },
  });
  await using muster = await startMuster();
  await muster.publishMany(BackgroundTask, many(40, "lhcb"));
  const worker = await muster.startWorker({ tasks: [RealtimeTask, BackgroundTask], permits: 1 });
  let heard = Promise.withResolvers<void>();
  // The server tells of a message after it has acknowledged it.
  worker.broker.nc.subscribe("wake.RealtimeTask.>", { callback: () => heard.resolve() });
  await worker.broker.nc.flush();
  for (let round = 0; round < 5; round++) {
    await until(async () => (started.at(-1) === "background" ? true : undefined), "a start in the background");
    const seen = started.length;
    heard = Promise.withResolvers();
    await muster.publish(RealtimeTask, { vo: "atlas" });
    await heard.promise;
    await pause(50);
    const { resolve } = mayEnd;
    mayEnd = Promise.withResolvers();
    resolve();
    await until(async () => (started.length > seen ? true : undefined), "the next start");
    t.is(started[seen], "realtime", `round ${round}: ${started.map((priority) => priority[0]).join("")}`);
  }
  mayEnd.resolve();
});

test("what waits is run strictly by priority, whatever the order in which it came", async (t) => {
  const { started, realtime, normal, background } = tasksOf(1);
  await using muster = await startMuster();
  for (const task of [background, normal, realtime]) {
    for (const vo of ["lhcb", "atlas"]) await muster.publishMany(task, many(50, vo));
  }
  await muster.startWorker({ tasks: [background, realtime, normal], permits: 4 });
  await until(async () => (started.length === 300 ? true : undefined), "300 starts");
  const order = started.map(({ priority }) => priority);
  t.true(order.lastIndexOf("realtime") - order.indexOf("normal") < 12, "realtime before normal");
  t.true(order.lastIndexOf("normal") - order.indexOf("background") < 12, "normal before background");
});

test("one VO's thousands do not delay another's task, which starts within the time of what is running", async (t) => {
  const { normal } = tasksOf(25);
  await using muster = await startMuster();
  await muster.publishMany(normal, many(4_000, "lhcb"));
  const worker = await muster.startWorker({ tasks: [normal], permits: 4 });
  await until(async () => (worker.health().running === 4 ? true : undefined), "a busy worker");
  const tookMs: number[] = [];
  for (let round = 0; round < 20; round++) {
    const { taskId } = await muster.publish(normal, { vo: "atlas" });
    tookMs.push((await muster.event("started", taskId)).tookMs ?? Number.NaN);
  }
  tookMs.sort((a, b) => a - b);
  t.log(`start latency: median ${tookMs[10]} ms, largest ${tookMs[19]} ms`);
  t.true((tookMs[10] ?? Number.NaN) < 2_000);
  t.true((await muster.waiting()) > 500, "nothing was in the way");
});

test("VOs that all have work waiting are served evenly", async (t) => {
  const vos = Array.from({ length: 20 }, (_, index) => `vo${index}`);
  const { started, normal } = tasksOf(1);
  await using muster = await startMuster({ vos });
  // One VO after the other: first come, first served would be as uneven as possible.
  for (const vo of vos) await muster.publishMany(normal, many(50, vo));
  await muster.startWorker({ tasks: [normal], permits: 4 });
  await until(async () => (started.length >= 500 ? true : undefined), "500 starts");
  const counts = vos.map((vo) => started.slice(0, 500).filter((start) => start.vo === vo).length);
  const sum = counts.reduce((total, count) => total + count, 0);
  const fairness = sum ** 2 / (counts.length * counts.reduce((total, count) => total + count ** 2, 0));
  t.log(`Jain's index ${fairness.toFixed(3)}: ${counts.join(" ")}`);
  t.true(fairness > 0.9);
});

test("VOs with work waiting are served by their weights", async (t) => {
  const { started, normal } = tasksOf(20);
  await using muster = await startMuster({ vos: ["light"] });
  await changeConfiguration(muster.broker, (now) => withVo(now, "heavy", 4));
  // Both lanes exist before the test counts. A VO makes up for the time until its consumer exists.
  const first = await muster.startWorker({ tasks: [normal] });
  for (const vo of ["light", "heavy"]) await muster.event("done", (await muster.publish(normal, { vo })).taskId);
  await first.drain();
  started.length = 0;
  for (const vo of ["light", "heavy"]) await muster.publishMany(normal, many(600, vo));
  await muster.startWorker({ tasks: [normal], permits: 4 });
  await until(async () => (started.length >= 500 ? true : undefined), "500 starts");
  const heavy = started.slice(0, 500).filter(({ vo }) => vo === "heavy").length;
  t.log(`${heavy} of 500`);
  // The weights give 400. All that is in hand when the 500th starts may belong to one VO.
  t.true(heavy >= 380 && heavy <= 420, `${heavy} of 500 were of the VO with weight 4, the other has 1`);
});

test("a permit is kept for a more urgent task that was asked for, and nothing lower takes it meanwhile", async (t) => {
  const ended = Promise.withResolvers<void>();
  const started: string[] = [];
  const UrgentTask = defineTask({
    name: "UrgentTask",
    per: "vo",
    priority: "realtime",
    async execute({ taskId }) {
      started.push(taskId);
      if (taskId === "urgent 1") await ended.promise;
    },
  });
  const SlowTask = defineTask({
    name: "SlowTask",
    per: "vo",
    priority: "background",
    async execute({ taskId }) {
      started.push(taskId);
      await pause(1);
    },
  });
  await using muster = await startMuster();
  // The server leaves a pull for a second message unanswered while the first is in hand.
  await muster.broker.jsm.consumers.add("TASKS", {
    durable_name: "UrgentTask__lhcb",
    filter_subjects: ["tasks.UrgentTask.lhcb"],
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(20_000),
    max_deliver: -1,
    max_ack_pending: 1,
    mem_storage: true,
  });
  await muster.startWorker({ tasks: [UrgentTask, SlowTask], permits: 2 });
  await muster.publish(UrgentTask, { vo: "lhcb", taskId: "urgent 1" });
  await until(async () => started[0], "the first urgent task");
  await muster.publishMany(SlowTask, many(3_000, "atlas"));
  await until(async () => (started.length > 200 ? true : undefined), "background work");
  await muster.publish(UrgentTask, { vo: "lhcb", taskId: "urgent 2" });
  // A worker without room hears of it by its survey.
  const isAskedFor = async () =>
    (await muster.broker.jsm.consumers.info("TASKS", "UrgentTask__lhcb")).num_waiting > 0 ? true : undefined;
  await until(isAskedFor, "the pull for the second urgent task");
  await pause(100); // what has its permit already goes on
  const before = started.length;
  await pause(500);
  t.true(started.length - before <= 1, `${started.length - before} background tasks started meanwhile`);
  ended.resolve();
  await muster.event("done", "urgent 2");
});

test("a VO that is added while all runs is served without a restart, and one that is removed no more", async (t) => {
  const { normal } = tasksOf(1);
  await using muster = await startMuster({ vos: ["lhcb"] });
  const worker = await muster.startWorker({ tasks: [normal] });
  const early = await muster.publish(normal, { vo: "atlas" });
  await muster.addVo("atlas");
  await muster.event("done", early.taskId);
  await muster.removeVo("atlas");
  await untilWatched(muster);
  await worker.broker.nc.flush();
  await pause(500); // what the worker makes of the news, of which nobody tells
  const late = await muster.publish(normal, { vo: "atlas" });
  const other = await muster.publish(normal, { vo: "lhcb" });
  await muster.event("done", other.taskId);
  t.deepEqual(muster.events.of(late.taskId), []);
  await muster.addVo("atlas");
  await muster.event("done", late.taskId);
});
