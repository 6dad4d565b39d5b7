import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { startProcess } from "../support/child_process.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { KillerTask, TameTask } from "./killer_task.ts";

const WORKER = new URL("./killer_main.ts", import.meta.url);
/** How soon the server hands the message of a killed worker to another one, ms. */
const ACK_WAIT_MS = 700;

/** Starts workers one after the other, each when the one before it has died, until `done`. Answers how many were started. */
async function restartUntil(muster: Muster, done: Promise<unknown>): Promise<number> {
  let isDone = false;
  const finished = done.finally(() => {
    isDone = true;
  });
  let started = 0;
  while (!isDone) {
    started++;
    await using worker = await startProcess(WORKER, { NATS_URL: muster.nats.url });
    await Promise.race([worker.exited, finished]);
  }
  await finished;
  return started;
}

test("I8: a task that kills its process is a dead letter after six runs, and those beside it are done", async (t) => {
  await using muster = await startMuster();
  for (const { name } of [KillerTask, TameTask]) await muster.declareConsumer(name, "lhcb", ACK_WAIT_MS);
  const killer = await muster.publish(KillerTask, { vo: "lhcb" });
  const tame = await muster.publishMany(
    TameTask,
    Array.from({ length: 20 }, () => ({ vo: "lhcb" })),
  );
  const dead = muster.events.find(
    ({ step, taskId }) => step === "dead" && taskId === killer.taskId,
    "the dead letter",
    60_000,
  );
  const isForgotten = async () => ((await muster.results(`starts.${killer.taskId}`)).length === 0 ? true : undefined);
  const settled = dead.then(() => until(isForgotten, "the end of its count"));
  const started = await restartUntil(muster, settled);
  t.is(started, 7);
  t.is(muster.events.of(killer.taskId).filter((step) => step === "started").length, 6);
  t.regex((await dead).reason ?? "", /killed its worker/);
  t.like(await muster.deadLetters(), [{ taskId: killer.taskId, attempt: 1 }]);
  const worker = await muster.startWorker({ tasks: [TameTask] });
  await muster.settled();
  t.is(worker.watcher.alarms.length, 0);
  for (const { taskId } of tame) t.true(muster.events.of(taskId).includes("done"));
  // A count is taken back after the ack.
  await until(async () => ((await muster.results("starts.")).length === 0 ? true : undefined), "the end of all counts");
});

test("I7: a task that was handed back ten thousand times is no poison", async (t) => {
  const defineTask = atLeastOnceFactory();
  const PatientTask = defineTask({ name: "PatientTask", per: "vo", execute() {} });
  await using muster = await startMuster();
  await muster.declareConsumer(PatientTask.name, "lhcb", 20_000);
  const { taskId } = await muster.publish(PatientTask, { vo: "lhcb" });
  const consumer = await muster.broker.js.consumers.get("TASKS", "PatientTask__lhcb");
  const messages = await consumer.consume({ max_messages: 1 });
  let deliveries = 0;
  for await (const message of messages) {
    deliveries = message.info.deliveryCount;
    message.nak();
    if (deliveries >= 10_000) break;
  }
  await messages.close();
  t.true(deliveries >= 10_000);
  await muster.startWorker({ tasks: [PatientTask] });
  await muster.event("done", taskId);
  t.deepEqual(muster.events.of(taskId), ["started", "done"], muster.events.steps.map(({ reason }) => reason).join());
  await until(async () => ((await muster.waiting()) === 0 ? true : undefined), "its ack");
  await until(async () => ((await muster.results("starts.")).length === 0 ? true : undefined), "the end of its count");
});

test("the count of a task that was settled is gone for good, also when the server is killed", async (t) => {
  const defineTask = atLeastOnceFactory();
  const LongTask = defineTask({
    name: "LongTask",
    per: "vo",
    execute: ({ signal }) => pause(300, undefined, { signal }),
  });
  await using muster = await startMuster();
  await muster.broker.buckets.results.put("older", ""); // what lies before it in its file is what makes the server forget
  const first = await muster.startWorker({ tasks: [LongTask], drainMs: 0 });
  const { taskId } = await muster.publish(LongTask, { vo: "lhcb" });
  await muster.event("started", taskId);
  await first.drain();
  await muster.startWorker({ tasks: [LongTask] });
  const isCounted = async () => ((await muster.results("starts.")).length > 0 ? true : undefined);
  await until(isCounted, "the count of the second run");
  await muster.event("done", taskId);
  const isForgotten = async () => ((await muster.results("starts.")).length === 0 ? true : undefined);
  await until(isForgotten, "the end of its count");
  await pause(1_500); // the shortest life of a mark is a second
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  t.deepEqual(await muster.results("starts."), []);
});
