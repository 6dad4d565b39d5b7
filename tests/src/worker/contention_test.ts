import { atLeastOnceFactory, defineLockType, noRetry } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("contention_test_site");
const Site = z.strictObject({ site: z.string() });
const SiteTask = defineTask({
  name: "SiteTask",
  per: "vo",
  payload: Site,
  locks: ({ site }) => [siteLock.mutex(site)],
  execute() {},
});
const keyOf = (site: string) => `contention_test_site.${site}`;

test("a contended task starts within milliseconds of the lock being let go elsewhere, and has used no retry", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SiteTask] });
  const latencies: number[] = [];
  for (let round = 0; round < 5; round++) {
    const holder = await muster.hold(keyOf(`ce${round}`));
    const { taskId } = await muster.publish(SiteTask, { vo: "lhcb", payload: { site: `ce${round}` } });
    await muster.event("contended", taskId);
    const freedAtMs = performance.now();
    await holder.letGo();
    const started = await muster.event("started", taskId);
    latencies.push(started.heardAtMs - freedAtMs);
    t.is((await muster.event("done", taskId)).attempt, 1);
  }
  t.log(`latencies: ${latencies.map(Math.round).join(", ")} ms`);
  // Where the watcher says nothing, the fall-back takes the holder's TTL and one second.
  t.true(Math.min(...latencies) < 5_000);
});

test("waiters of one process go in order of arrival", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SiteTask] });
  const holder = await muster.hold(keyOf("ce01"));
  const ids: string[] = [];
  for (let index = 0; index < 8; index++) {
    const { taskId } = await muster.publish(SiteTask, { vo: "lhcb", payload: { site: "ce01" } });
    await muster.event("contended", taskId);
    ids.push(taskId);
  }
  await holder.letGo();
  for (const taskId of ids) await muster.event("done", taskId);
  t.deepEqual(
    muster.events.steps.filter(({ step }) => step === "started").map(({ taskId }) => taskId),
    ids,
  );
});

test("more tasks than the waiting room has places for one key go back for a while, and another CE is served meanwhile", async (t) => {
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [SiteTask], permits: 4 });
  const holder = await muster.hold(keyOf("busy"));
  const many = Array.from({ length: 1_050 }, () => ({ vo: "lhcb", payload: { site: "busy" } }));
  const busy = await muster.publishMany(SiteTask, many);
  await until(async () => (worker.health().waitingForLocks === 1_000 ? true : undefined), "a full waiting room");
  const free = await muster.publish(SiteTask, { vo: "lhcb", payload: { site: "free" } });
  const { tookMs = 0 } = await muster.event("started", free.taskId);
  t.true(tookMs < 20_000, `it started after ${tookMs} ms`);
  await holder.letGo();
  await muster.settled();
  const starts = Map.groupBy(
    muster.events.steps.filter(({ step }) => step === "started"),
    ({ taskId }) => taskId,
  );
  for (const { taskId } of busy) t.is(starts.get(taskId)?.length, 1);
  t.deepEqual(await muster.results("starts."), []);
});

test("a wait beyond lockWaitMs is a failure that names the lock", async (t) => {
  const ImpatientTask = defineTask({
    name: "ImpatientTask",
    per: "vo",
    lockWaitMs: 500,
    retry: noRetry(),
    locks: () => [siteLock.mutex("ce01")],
    execute() {},
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [ImpatientTask] });
  await muster.hold(keyOf("ce01"));
  // The second task waits behind the first, and would have its turn only after it.
  const ids = await muster.publishMany(ImpatientTask, [{ vo: "lhcb" }, { vo: "lhcb" }]);
  for (const { taskId } of ids) {
    t.regex((await muster.event("dead", taskId)).reason ?? "", /contention_test_site\.ce01/);
    t.false(muster.events.of(taskId).includes("started"));
  }
});

test("the lock of a holder that vanished is free for the next within its TTL and a second", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [SiteTask] });
  const heldAtMs = performance.now();
  const ttlMs = 6_000;
  await muster.hold(keyOf("ce01"), ttlMs);
  const { taskId } = await muster.publish(SiteTask, { vo: "lhcb", payload: { site: "ce01" } });
  await muster.event("contended", taskId);
  const { heardAtMs } = await muster.event("started", taskId);
  t.true(heardAtMs - heldAtMs >= ttlMs - 100, "it was not held at all");
  t.true(heardAtMs - heldAtMs < ttlMs + 20_000, `it took ${heardAtMs - heldAtMs} ms`);
});
