import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";
import { startTicks } from "../support/ticks.ts";

const defineTask = atLeastOnceFactory();
/** Ticks of nearly a second on a quiet machine. A task is never later, unless the machine stands still. */
const SECOND_TICKS = 85;
const startedAt = new Map<string, number>();
const LaterTask = defineTask({
  name: "LaterTask",
  per: "vo",
  execute: ({ taskId }) => void startedAt.set(taskId, Date.now()),
});

test("delayed tasks start never early and at most a second late, and a time in the past means now", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LaterTask] });
  await using ticks = startTicks(muster.broker.nc);
  const now = Date.now();
  const times = [-3_600_000, 0, 400, 700, 1_000, 1_300, 1_600].map((ms) => new Date(now + ms));
  const ids = await muster.publishMany(
    LaterTask,
    times.map((at) => ({ vo: "lhcb", at })),
  );
  const lateMs: number[] = [];
  const lateTicks: number[] = [];
  for (const [index, { taskId }] of ids.entries()) {
    await muster.event("done", taskId);
    const startedAtMs = startedAt.get(taskId) ?? Number.NaN;
    const dueAtMs = Math.max(now, times[index]?.getTime() ?? Number.NaN);
    lateMs.push(startedAtMs - dueAtMs);
    lateTicks.push(ticks.between(dueAtMs, startedAtMs));
  }
  t.log(`late by ${lateMs.join(", ")} ms, ${lateTicks.join(", ")} ticks`);
  t.true(Math.min(...lateMs) >= 0);
  t.true(Math.max(...lateTicks) < SECOND_TICKS);
});

test("a client of its own may delay a task, also to the past", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LaterTask] });
  await using client = await openOldClient(muster.nats.url);
  await using ticks = startTicks(muster.broker.nc);
  const now = Date.now();
  for (const [taskId, ms] of [
    ["ahead", 800],
    ["past", -60_000],
  ] as const) {
    const headers = {
      "Task-Id": taskId,
      "Nats-Schedule": `@at ${new Date(now + ms).toISOString()}`,
      "Nats-Schedule-Target": "due.LaterTask.lhcb",
    };
    await client.publish(`later.LaterTask.lhcb.${taskId}`, { headers });
  }
  await muster.event("done", "past");
  await muster.event("done", "ahead");
  t.true((startedAt.get("ahead") ?? 0) >= now + 800);
  t.true(ticks.between(now, startedAt.get("past") ?? Number.NaN) < SECOND_TICKS);
});

test("I5: roll-up, TTL and schedule headers on a task's own subject are refused by the broker", async (t) => {
  await using muster = await startMuster();
  await using client = await openOldClient(muster.nats.url);
  await muster.publish(LaterTask, { vo: "lhcb" });
  const refused: Record<string, string>[] = [
    { "Nats-Rollup": "all" },
    { "Nats-Rollup": "sub" },
    { "Nats-TTL": "1s" },
    { "Nats-Schedule": "@at 2030-01-01T00:00:00Z", "Nats-Schedule-Target": "tasks.LaterTask.atlas" },
  ];
  for (const headers of refused) {
    await t.throwsAsync(client.publish("tasks.LaterTask.lhcb", { headers }), undefined, JSON.stringify(headers));
  }
  t.is(await muster.waiting(), 1);
});

test("delayed tasks live on when TASKS is deleted, and each starts once on time", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [LaterTask] });
  const at = new Date(Date.now() + 2_500);
  const ids = await muster.publishMany(
    LaterTask,
    Array.from({ length: 20 }, () => ({ vo: "lhcb", at })),
  );
  await muster.broker.jsm.streams.delete("TASKS");
  for (const { taskId } of ids) await muster.event("done", taskId);
  for (const { taskId } of ids) {
    t.deepEqual(muster.events.of(taskId), ["started", "done"]);
    t.true((startedAt.get(taskId) ?? 0) >= at.getTime());
  }
});
