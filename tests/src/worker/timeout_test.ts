import { atLeastOnceFactory, defineLockType, exponentialBackoff, noRetry, WorkerSpentError } from "@muster/tasks";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { startMuster } from "../support/muster.ts";
import { until, within } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("timeout_test_site");

/** A task that ignores its signal until `letGo` is called. */
function stubbornTask(lockKey?: string, timeoutMs = 100) {
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  const StubbornTask = defineTask({
    name: "StubbornTask",
    per: "vo",
    timeoutMs,
    retry: noRetry(),
    locks: () => (lockKey === undefined ? [] : [siteLock.mutex(lockKey)]),
    execute: () => promise,
  });
  return { StubbornTask, letGo };
}

test("a task beyond its timeout has its signal aborted, and fails by its policy", async (t) => {
  const reasons: unknown[] = [];
  const LongTask = defineTask({
    name: "LongTask",
    per: "vo",
    timeoutMs: 200,
    retry: exponentialBackoff({ maxRetries: 1, firstDelayMs: 1, maxDelayMs: 1 }),
    async execute({ signal }) {
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      await pause(60_000, undefined, { signal });
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LongTask] });
  const { taskId } = await muster.publish(LongTask, { vo: "lhcb" });
  t.regex((await muster.event("retry", taskId)).reason ?? "", /^TaskTimeoutError: .* 200 ms/);
  t.is((await muster.event("dead", taskId)).attempt, 2);
  t.is(reasons.length, 2);
  for (const reason of reasons) t.like(reason, { name: "TaskTimeoutError", timeoutMs: 200 });
});

test("a task that ignores its signal loses its lock and its permit, and its worker goes on with others", async (t) => {
  const { StubbornTask, letGo } = stubbornTask("stubborn", 3_000); // long enough for the other one to stand in line
  const WaitingTask = defineTask({
    name: "WaitingTask",
    per: "vo",
    locks: () => [siteLock.mutex("stubborn")],
    execute() {},
  });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [StubbornTask, WaitingTask], permits: 2 });
  const stubborn = await muster.publish(StubbornTask, { vo: "lhcb" });
  await muster.event("started", stubborn.taskId);
  const waiting = await muster.publish(WaitingTask, { vo: "lhcb" });
  await muster.event("contended", waiting.taskId);
  await muster.event("dead", stubborn.taskId);
  await muster.event("done", waiting.taskId);
  // The lock was let go before its end was settled, and the permit counts as lost after that.
  await until(async () => (worker.health().lostPermits === 1 ? true : undefined), "a lost permit");
  t.deepEqual(worker.health().problems, []);
  t.true(worker.watcher.alarms.some((alarm) => alarm.includes("StubbornTask ignored its abort signal")));
  t.deepEqual(muster.events.of(stubborn.taskId), ["started", "dead"]);
  letGo();
});

test("the third task that ignores its signal ends the worker, which names them", async (t) => {
  const { StubbornTask, letGo } = stubbornTask();
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [StubbornTask], permits: 10 });
  const ended = t.throwsAsync(worker.ended, { instanceOf: WorkerSpentError, message: /3 tasks.*StubbornTask/ });
  await muster.publishMany(
    StubbornTask,
    Array.from({ length: 3 }, () => ({ vo: "lhcb" })),
  );
  await within(ended, () => "the worker's end", 60_000);
  t.true(worker.health().problems.includes("3 tasks ignored their abort signal"));
  letGo();
});

test("a worker with a single permit ends when it is lost, for it could do nothing any more", async (t) => {
  const { StubbornTask, letGo } = stubbornTask();
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [StubbornTask], permits: 1 });
  const ended = t.throwsAsync(worker.ended, { instanceOf: WorkerSpentError });
  await muster.publish(StubbornTask, { vo: "lhcb" });
  await within(ended, () => "the worker's end", 60_000);
  letGo();
});
