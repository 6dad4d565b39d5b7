import { atLeastOnceFactory, type StepName } from "@muster/tasks";
import test, { type ExecutionContext } from "ava";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { startBundled } from "../support/child_process.ts";
import type { ToldStep } from "@muster/tasks/testing";
import { type Muster, startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { KillerTask, TameTask } from "./killer_task.ts";

const WORKER = new URL("./killer_main.ts", import.meta.url);
/** Time after which the server hands a killed worker's message to another worker, ms. */
const ACK_WAIT_MS = 2_000;

/** The same for tests in which the server must not do so, ms: longer than any test. Only on Linux can a process be known to have ended. */
const FAR_TOO_LONG_MS = process.platform === "linux" ? 600_000 : 2 * ACK_WAIT_MS;
/** Length of a run that is longer than the 3 s for which a suspect runs alone, ms. */
const OUTLASTS_OWN_TIME_MS = 6_000;
/** Patience with five lives of a worker, ms. */
const LONG_MS = 230_000;

/** Starts workers one after the other, each when the one before it has died, until `done`. Returns how many were started. */
async function restartUntil(muster: Muster, done: Promise<unknown>): Promise<number> {
  let isDone = false;
  const finished = done.finally(() => {
    isDone = true;
  });
  let started = 0;
  while (!isDone) {
    started++;
    await using worker = await startBundled(WORKER, { NATS_URL: muster.nats.url });
    await Promise.race([worker.exited, finished]);
  }
  await finished;
  return started;
}

/** Resolves with a step of a task, which may take several lives of a worker. */
function toldOf(muster: Muster, step: StepName, taskId: string): Promise<ToldStep> {
  return muster.events.find((told) => told.step === step && told.taskId === taskId, `"${step}" of ${taskId}`, LONG_MS);
}

/** A count is taken back after the ack. */
async function untilForgotten(muster: Muster, taskId: string): Promise<void> {
  const isForgotten = async () => ((await muster.results(`starts.${taskId}`)).length === 0 ? true : undefined);
  await until(isForgotten, "the end of the count");
}

/** Resolves once the killer is a dead letter and its count is forgotten. */
async function untilPoison(muster: Muster, taskId: string): Promise<ToldStep> {
  const dead = await toldOf(muster, "dead", taskId);
  await untilForgotten(muster, taskId);
  return dead;
}

/** Runs a killer beside slow tasks in this many processes at a time. Returns how many processes were started. */
async function playNeighbours(t: ExecutionContext, workers: number): Promise<number> {
  await using muster = await startMuster();
  // Longer than a suspect waits and runs: the workers' heartbeats are slower than this server's patience.
  for (const { name } of [KillerTask, TameTask]) await muster.declareConsumer(name, "lhcb", 2 * ACK_WAIT_MS);
  const killer = await muster.publish(KillerTask, { vo: "lhcb", payload: { afterMs: 200 } });
  const slow = { vo: "lhcb", payload: { ms: 500 } };
  const tame = await muster.publishMany(TameTask, [slow, slow, slow, slow]);
  const done = Promise.all(tame.map(({ taskId }) => toldOf(muster, "done", taskId)));
  const all = Promise.all([untilPoison(muster, killer.taskId), done]);
  const started = await Promise.all(Array.from({ length: workers }, () => restartUntil(muster, all)));
  t.regex((await all)[0].reason ?? "", /killed its worker/);
  t.deepEqual(
    (await muster.deadLetters()).map(({ taskId }) => taskId),
    [killer.taskId],
  );
  for (const { taskId } of tame) t.is(muster.events.of(taskId).filter((step) => step === "done").length, 1);
  const runs = muster.events.steps.filter(({ step, taskId }) => step === "started" && taskId === killer.taskId);
  t.is(runs.length, 5);
  // Its last two runs, which prove it, had nothing beside them.
  for (const { worker, heardAtMs } of runs.slice(-2)) {
    const others = muster.events.steps.filter((told) => told.worker === worker && told.taskId !== killer.taskId);
    const ended = others.filter((told) => told.step === "done" && told.heardAtMs <= heardAtMs);
    t.is(others.filter(({ step }) => step === "started").length, ended.length);
  }
  await untilForgotten(muster, "");
  return started.reduce((sum, count) => sum + count);
}

test("I8, I25: a task that kills its process is a dead letter after five runs, and slow ones beside it are done once", async (t) =>
  t.is(await playNeighbours(t, 1), 6));

test("I25: with two workers, too, slow tasks beside one that kills its process are done once", async (t) => {
  await playNeighbours(t, 2);
});

/** Publishes tasks that each have one counted run without an end. Each is held until the test lets it come. */
async function holdSuspects(muster: Muster) {
  const hold = async ({ taskId }: { readonly taskId: string }, task: string) => {
    await muster.broker.buckets.results.put(`starts.${taskId}`, JSON.stringify({ attempt: 1, unended: 1, alone: 0 }));
    const consumer = await muster.broker.js.consumers.get("TASKS", `${task}__lhcb`);
    const message = await consumer.next();
    return { taskId, come: () => message?.nak() };
  };
  for (const { name } of [KillerTask, TameTask]) await muster.declareConsumer(name, "lhcb", FAR_TOO_LONG_MS);
  const tame = await hold(
    await muster.publish(TameTask, { vo: "lhcb", payload: { ms: OUTLASTS_OWN_TIME_MS } }),
    TameTask.name,
  );
  const killer = await hold(
    await muster.publish(KillerTask, { vo: "lhcb", payload: { afterMs: 200 } }),
    KillerTask.name,
  );
  return { tame, killer };
}

test("I25: whoever dies in a suspect's own time is restarted, hands back at once, and holds it against nobody else", async (t) => {
  await using muster = await startMuster();
  const { tame, killer } = await holdSuspects(muster);
  const all = Promise.all([untilPoison(muster, killer.taskId), toldOf(muster, "done", tame.taskId)]);
  const restarted = restartUntil(muster, all);
  tame.come();
  await toldOf(muster, "started", tame.taskId);
  killer.come();
  await all;
  // Three runs of the one: in its own time, and twice alone. Two of the other: beside that one, and after it.
  const lives = (await restarted) - 1;
  const startsOf = (taskId: string) => muster.events.of(taskId).filter((step) => step === "started").length;
  t.deepEqual(
    { lives, killer: startsOf(killer.taskId), tame: startsOf(tame.taskId) },
    { lives: 3, killer: 3, tame: 2 },
  );
  await untilForgotten(muster, "");
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
  const isSeen = Promise.withResolvers<void>();
  const LongTask = defineTask({
    name: "LongTask",
    per: "vo",
    async execute({ signal }) {
      await Promise.race([isSeen.promise, once(signal, "abort")]);
    },
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
  isSeen.resolve();
  await muster.event("done", taskId);
  const isForgotten = async () => ((await muster.results("starts.")).length === 0 ? true : undefined);
  await until(isForgotten, "the end of its count");
  await pause(1_500); // the shortest life of a mark is a second
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  t.deepEqual(await muster.results("starts."), []);
});
