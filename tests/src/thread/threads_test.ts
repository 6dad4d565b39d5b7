import type { ThreadOptions } from "@muster/tasks";
import { cancelTask, changeConfiguration } from "@muster/tasks/operate";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { type Muster, startMuster, type TestWorker } from "../support/muster.ts";
import { until } from "../support/until.ts";
import {
  ChildTask,
  FailTask,
  HogTask,
  inThreads,
  KillerTask,
  MeetTask,
  NextTask,
  ParentTask,
  PatientTask,
  QuickTask,
  SumTask,
} from "./tasks.ts";

const module = new URL("thread.ts", import.meta.url);

/** A worker with threads, and with all tasks of this folder's `tasks.ts`. */
async function startThreads(muster: Muster, more: Partial<ThreadOptions> = {}): Promise<TestWorker> {
  const tasks = [...inThreads, NextTask, QuickTask];
  return await muster.startWorker({ tasks, permits: 1, lockTtlMs: 4_000, threads: { module, count: 2, ...more } });
}

test("a task that hogs a processor is ended at its timeout without the loss of a permit, is tried again by its policy, and lets its lock go", async (t) => {
  await using muster = await startMuster();
  const worker = await startThreads(muster);
  const hog = await muster.publish(HogTask, { vo: "lhcb", payload: { first: "works" } });
  await muster.event("started", hog.taskId);
  const next = await muster.publish(NextTask, { vo: "lhcb" });
  await muster.event("contended", next.taskId);
  t.regex((await muster.event("retry", hog.taskId)).reason ?? "", /^TaskTimeoutError: .* 2000 ms/);
  await muster.event("done", next.taskId);
  t.is((await muster.event("dead", hog.taskId)).attempt, 2);
  // A lost lease would have abandoned it.
  t.deepEqual(muster.events.of(hog.taskId), ["started", "retry", "started", "dead"]);
  await muster.settled();
  await until(async () => (worker.health().threads?.busy === 0 ? true : undefined), "free threads");
  const { lostPermits, problems, threads } = worker.health();
  t.deepEqual(
    { lostPermits, problems, threads },
    { lostPermits: 0, problems: [], threads: { limit: 2, started: 0, busy: 0 } },
  );
});

test("two tasks that hold their threads run on two processors at once, take no permit, and hold up no task of the loop", async (t) => {
  await using muster = await startMuster();
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-threads-"));
  const worker = await startThreads(muster);
  const [one, two] = [join(folder.path, "one"), join(folder.path, "two")];
  // Each returns only while the other runs.
  const first = await muster.publish(MeetTask, { vo: "lhcb", payload: { own: one, other: two } });
  await muster.event("started", first.taskId);
  const quick = await muster.publish(QuickTask, { vo: "atlas", keepResult: { hours: 1 } });
  t.deepEqual(await muster.resultOf(QuickTask, quick.taskId), { threadId });
  const second = await muster.publish(MeetTask, { vo: "lhcb", payload: { own: two, other: one } });
  for (const { taskId } of [first, second]) await muster.event("done", taskId);
  t.like(worker.health().threads, { limit: 2, started: 2 });
});

test("a failure in a thread is judged by the task's own policy with the error itself, and told with its name and text", async (t) => {
  await using muster = await startMuster();
  await startThreads(muster);
  const ends = {
    class: ["dropped", "SiteError: ce01 is away"],
    cause: ["dropped", "Error: no pilot was sent"],
    never: ["dead", "NeverRetry: the site is closed"],
    retry: ["dead", "RetryTask: the site is busy"],
    text: ["dead", "only a text"],
  } as const;
  for (const by of ["class", "cause", "never", "retry", "text"] as const) {
    const { taskId } = await muster.publish(FailTask, { vo: "lhcb", payload: { by } });
    const [step, reason] = ends[by];
    t.like(await muster.event(step, taskId), { reason, attempt: by === "retry" ? 2 : 1 }, by);
  }
});

test("where the configuration has another policy in force, that one judges, and knows what means retry and never", async (t) => {
  await using muster = await startMuster();
  await changeConfiguration(muster.broker, (now) => ({
    ...now,
    tasks: { FailTask: { retry: { maxRetries: 3, firstDelay: "1s", then: "drop" } } },
  }));
  await startThreads(muster);
  const never = await muster.publish(FailTask, { vo: "lhcb", payload: { by: "never" } });
  t.like(await muster.event("dropped", never.taskId), { attempt: 1 });
  const again = await muster.publish(FailTask, { vo: "lhcb", payload: { by: "retry" } });
  t.like(await muster.event("dropped", again.taskId), { attempt: 4 });
});

test("a task that ends its thread is a dead letter after two runs, and its process and its neighbours go on", async (t) => {
  await using muster = await startMuster();
  const worker = await startThreads(muster, { heapMb: 64 });
  const reasons = { exit: /exit code 7$/, memory: /memory limit/, uncaught: /Error: nobody catches this$/ } as const;
  const ids = new Map<string, RegExp>();
  for (const by of ["exit", "memory", "uncaught"] as const) {
    ids.set((await muster.publish(KillerTask, { vo: "lhcb", payload: { by } })).taskId, reasons[by]);
  }
  for (const taskId of ids.keys()) await muster.event("abandoned", taskId);
  await muster.event("done", (await muster.publish(QuickTask, { vo: "atlas" })).taskId);
  for (const [taskId, reason] of ids) {
    const dead = (await muster.event("dead", taskId)).reason ?? "";
    t.regex(dead, /^killed its thread in two runs, the last time by /);
    t.regex(dead, reason);
    t.deepEqual(muster.events.of(taskId), ["started", "abandoned", "started", "abandoned", "dead"]);
  }
  t.true(worker.watcher.alarms.some((alarm) => /^Cannot finish KillerTask: it has ended its thread/.test(alarm)));
  await muster.settled();
  t.deepEqual(await muster.results("starts."), []);
  t.is(worker.health().lostPermits, 0);
});

test("children, a group's results, progress and the result of a run in a thread are those of any run, and idle threads are ended", async (t) => {
  await using muster = await startMuster();
  const worker = await startThreads(muster, { idleMs: 1_000 });
  const { taskId } = await muster.publish(ParentTask, {
    vo: "lhcb",
    payload: { children: 70 },
    keepResult: { hours: 1 },
  });
  const told = await muster.resultOf(ParentTask, taskId);
  t.like(told, { taskId, attempt: 1 });
  t.not(told.threadId, threadId);
  t.deepEqual(await muster.resultOf(SumTask, `${told.group}/then`), {
    squares: Array.from({ length: 70 }, (_, number) => number * number),
    closed: "all ended",
    last: 69 * 69,
    isThere: false,
  });
  const begun = muster.events.steps.filter(({ task, step }) => task === ChildTask.name && step === "started");
  t.is(begun.length, 70, "each child ran once");
  await until(async () => (worker.health().threads?.started === 0 ? true : undefined), "the end of idle threads");
});

test("a run in a thread hears why it is aborted, and what hears nothing is ended for that reason too", async (t) => {
  await using muster = await startMuster();
  const worker = await startThreads(muster);
  const patient = await muster.publish(PatientTask, { vo: "lhcb" });
  const hog = await muster.publish(HogTask, { vo: "lhcb", payload: { first: "waits" } });
  for (const { taskId } of [patient, hog]) {
    await muster.event("started", taskId);
    await cancelTask(muster.broker, taskId, { waitMs: 0, reason: "wrong CE" });
  }
  for (const { taskId } of [patient, hog]) t.regex((await muster.event("cancelled", taskId)).reason ?? "", /wrong CE/);
  const waiting = await muster.publish(PatientTask, { vo: "lhcb" });
  await muster.event("started", waiting.taskId);
  const drained = worker.drain();
  worker.hasten();
  t.regex((await muster.event("abandoned", waiting.taskId)).reason ?? "", /^DrainedError/);
  await drained;
  t.like(worker.health(), { lostPermits: 0, threads: { started: 0, busy: 0 } });
});

test("where no thread can run a task it goes back without the use of an attempt, the reason is an alarm, and another worker runs it", async (t) => {
  await using muster = await startMuster();
  const missing = await startThreads(muster, { module: new URL("none.ts", import.meta.url) });
  const { taskId } = await muster.publish(ChildTask, { vo: "lhcb", payload: { number: 2 } });
  t.regex((await muster.event("abandoned", taskId)).reason ?? "", /^ThreadUnusableError: .*none\.ts did not start/);
  t.true(missing.watcher.alarms.some((alarm) => /Cannot run ChildTask in a thread: .*none\.ts/.test(alarm)));
  await missing.drain();
  const tasks = [ChildTask];
  const foreign = await muster.startWorker({ tasks, threads: { module: new URL("idle_thread.ts", import.meta.url) } });
  t.regex((await muster.event("abandoned", taskId, 2)).reason ?? "", /serves no task; give the task to its serveTasks/);
  await foreign.drain();
  await startThreads(muster);
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.deepEqual(await muster.results("starts."), []);
});
