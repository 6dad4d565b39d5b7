import { openDatabase } from "@muster/ledger";
import { startProxy, startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, defineLockType, noRetry } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf, workerParts } from "../support/database.ts";
import { type Muster, startMuster, type TestWorker } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("ours_test_site");

/** Kills the server and starts it again: it has forgotten what is in flight. Resolves once the worker's heartbeats know. */
async function restartBroker(muster: Muster, { watcher }: TestWorker): Promise<void> {
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  const isNoticed = async () => watcher.notes.find((note) => note.includes("restarted"));
  await until(isNoticed, "the keeper's word of the restart");
}

/** The answers to deliveries from now on, without heartbeats and acks. */
async function listenToAnswers({ broker: { nc } }: Muster): Promise<string[]> {
  const answers: string[] = [];
  nc.subscribe("$JS.ACK.>", {
    callback: (error, message) => {
      if (error !== null) throw error;
      const answer = message.string();
      if (answer.startsWith("-NAK") || answer.startsWith("+TERM")) answers.push(answer);
    },
  });
  await nc.flush();
  return answers;
}

test("a task that waited for its lock while the broker was restarted begins once, by its new delivery", async (t) => {
  let runs = 0;
  const SiteTask = defineTask({
    name: "SiteTask",
    per: "vo",
    locks: () => [siteLock.mutex("begins")],
    execute() {
      runs++;
    },
  });
  // A kill must lose neither the message nor the lock: a server that writes lazily may have them in its memory alone.
  await using nats = await startTestNats({ sync: true });
  await using muster = await startMuster({ nats });
  const worker = await muster.startWorker({ tasks: [SiteTask] });
  const holder = await muster.hold("ours_test_site.begins");
  const { taskId } = await muster.publish(SiteTask, { vo: "lhcb" });
  await muster.event("contended", taskId);
  await restartBroker(muster, worker);
  const contended = () => worker.watcher.steps.filter(({ step }) => step === "contended");
  await until(async () => contended()[1], "the second delivery in line");
  await holder.letGo();
  await muster.settled();
  // The first delivery was left to itself, whichever of the two came first.
  const isLeft = async () => worker.watcher.steps.find(({ reason = "" }) => reason.includes("no longer ours"));
  await until(isLeft, "the end of the first delivery");
  t.is(runs, 1);
});

test("a message that is another delivery's by now is neither handed back nor ended, however its first run ends", async (t) => {
  const checked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let checks = 0;
  const RefusedTask = defineTask({
    name: "RefusedTask",
    per: "vo",
    payload: {
      "~standard": {
        version: 1,
        vendor: "test",
        async validate() {
          await checked[checks++]?.promise;
          return { issues: [{ message: "never good" }] };
        },
      },
    },
    execute() {},
  });
  let begun = 0;
  const later = Promise.withResolvers<void>();
  const AbandonedTask = defineTask({
    name: "AbandonedTask",
    per: "vo",
    locks: () => [siteLock.mutex("abandoned")],
    async execute({ signal }) {
      // On a busy machine a later run may lose its lease too. Then there is one run more.
      if (++begun > 1) return await later.promise;
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
  });
  await using nats = await startTestNats({ sync: true });
  await using muster = await startMuster({ nats });
  const worker = await muster.startWorker({ tasks: [RefusedTask, AbandonedTask], lockTtlMs: 10_000 });
  // The library would refuse it itself.
  await muster.broker.js.publish("tasks.RefusedTask.lhcb", "{}");
  const abandoned = await muster.publish(AbandonedTask, { vo: "lhcb" });
  await muster.event("started", abandoned.taskId);
  await until(async () => (checks === 1 ? true : undefined), "the first check of the payload");
  await restartBroker(muster, worker);
  await until(async () => (checks === 2 ? true : undefined), "the second check of the payload");

  const answers = await listenToAnswers(muster);
  checked[0]?.resolve();
  await until(async () => worker.watcher.steps.find(({ step }) => step === "refused"), "the refusal");
  await muster.broker.jsm.streams.purge("KV_locks", { filter: "$KV.locks.ours_test_site.abandoned" });
  const isAbandoned = async () => worker.watcher.steps.find(({ reason = "" }) => reason.startsWith("LeaseLostError"));
  await until(isAbandoned, "the end of the first run");
  await worker.broker.nc.flush();
  await muster.broker.nc.flush();
  t.deepEqual(answers, []);

  checked[1]?.resolve();
  await until(async () => (begun > 1 ? true : undefined), "the second run");
  later.resolve();
  await muster.settled();
  t.true(
    answers.some((answer) => answer.startsWith("+TERM")),
    "the second delivery's own",
  );
});

test("a task that comes right after the broker was restarted starts at once, though a pull of before was never answered", async (t) => {
  const QuickTask = defineTask({ name: "QuickTask", per: "vo", execute() {} });
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [QuickTask] });
  // From the second in a row on, an idle worker keeps a pull open for the lane.
  for (let count = 0; count < 3; count++) {
    const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
    await muster.event("done", taskId);
  }
  await restartBroker(muster, worker);
  const { taskId } = await muster.publish(QuickTask, { vo: "lhcb" });
  const isStarted = async () => worker.watcher.steps.find((step) => step.step === "started" && step.taskId === taskId);
  const { tookMs = Number.NaN } = await until(isStarted, "the start");
  t.log(`${Math.round(tookMs)} ms`);
  t.true(tookMs < 15_000, `it took ${tookMs} ms`);
});

test("a lock is not handed on after a run without an outcome: the next task in line takes it under a new token", async (t) => {
  await using database = await createTestDatabase(server);
  await using proxy = await startProxy(database.url);
  await using proxied = await openDatabase({ url: proxy.url });
  const tokens = new Map<string, number>();
  const CutTask = defineSqlTask({
    name: "CutTask",
    per: "vo",
    payload: z.strictObject({ cut: z.boolean() }),
    retry: noRetry(),
    locks: () => [siteLock.mutex("cut")],
    async execute({ deps, payload, taskId, leases: [lease] }) {
      if (!tokens.has(taskId)) tokens.set(taskId, lease?.fencingToken ?? Number.NaN);
      await deps.sql(effectOf(taskId));
      if (payload.cut && tokens.size === 1) proxy.loseAnswerTo("commit");
    },
  });
  await using muster = await startMuster();
  const holder = await muster.hold("ours_test_site.cut");
  await muster.startWorker({ tasks: [CutTask], ...workerParts(proxied) });
  const first = await muster.publish(CutTask, { vo: "lhcb", payload: { cut: true } });
  await muster.event("contended", first.taskId);
  const second = await muster.publish(CutTask, { vo: "lhcb", payload: { cut: false } });
  await muster.event("contended", second.taskId);
  await holder.letGo();
  await muster.event("abandoned", first.taskId);
  await muster.event("done", second.taskId);
  t.true((tokens.get(second.taskId) ?? 0) > (tokens.get(first.taskId) ?? Number.NaN));
  await muster.settled();
  t.is(await database.effects(first.taskId), 1);
});
