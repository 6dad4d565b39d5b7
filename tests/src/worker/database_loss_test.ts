import { startPostgres } from "@muster/local";
import { DatabaseGoneError, type Transaction } from "@muster/ledger";
import { startDurableTestServer } from "@muster/ledger/testing";
import { noRetry, type Ledger } from "@muster/tasks";
import type { ToldStep } from "@muster/tasks/testing";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const NoteTask = defineSqlTask({
  name: "NoteTask",
  per: "vo",
  retry: noRetry(),
  async execute({ deps, taskId }) {
    await deps.sql(effectOf(taskId));
    await pause(20);
  },
});
/** Fails before it has asked the database for anything. */
const FailTask = defineSqlTask({
  name: "FailTask",
  per: "vo",
  retry: noRetry(),
  execute() {
    throw new Error("its own fault");
  },
});

test("PostgreSQL is killed under load and back some seconds later: every task is done at its first attempt", async (t) => {
  await using server = await startDurableTestServer();
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [NoteTask, FailTask], ...database.forWorker, permits: 8 });
  const ids = await muster.publishMany(
    NoteTask,
    Array.from({ length: 100 }, () => ({ vo: "lhcb" })),
  );
  await muster.event("done", ids[5]?.taskId ?? "");
  server.postgres.kill("SIGKILL");
  const { exited, port, dataDir } = server.postgres;
  await exited;
  const failing = await muster.publish(FailTask, { vo: "lhcb" });
  const away = /^takes no tasks until it is mended: Cannot reach the database/;
  await until(async () => worker.health().problems.find((each) => away.test(each)), "a worker that waits for it");
  await using _again = await startPostgres({ dataDir, port });
  const backAtMs = performance.now();
  // Where the kill came between a commit and its answer, the ledger tells the end when the message comes back.
  const hasEnded = ({ step }: ToldStep) => step === "done" || step === "duplicate";
  for (const { taskId } of ids) {
    const end = await muster.events.find((told) => told.taskId === taskId && hasEnded(told), `the end of ${taskId}`);
    t.is(end.attempt, 1);
  }
  t.regex((await muster.event("dead", failing.taskId)).reason ?? "", /its own fault/);
  t.log(`all done ${Math.round(performance.now() - backAtMs)} ms after it was back`);
  await muster.settled();
  t.is((await muster.deadLetters()).length, 1);
  for (const { taskId } of ids) t.is(await database.effects(taskId), 1);
  t.deepEqual(worker.watcher.alarms, []);
  t.deepEqual(await muster.results("starts."), []);
});

test("a run whose end cannot be recorded is no run without an end: it comes back for as long as it takes, and is no poison", async (t) => {
  await using server = await startDurableTestServer();
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const stored: Ledger<Transaction> = database.database.ledger;
  let refusals = 0;
  const ledger: Ledger<Transaction> = {
    open: (claim) => stored.open(claim),
    recall: (taskId) => stored.recall(taskId),
    markPublished: (taskId) => stored.markPublished(taskId),
    classify: (error) => stored.classify(error),
    record(row) {
      if (++refusals > 5) return stored.record(row);
      throw new DatabaseGoneError("record the outcome", new Error("gone just now"));
    },
  };
  await muster.startWorker({ tasks: [FailTask], ...database.forWorker, ledger });
  const { taskId } = await muster.publish(FailTask, { vo: "lhcb" });
  for (let count = 1; count <= 5; count++) await muster.event("abandoned", taskId, count);
  t.like(await muster.event("dead", taskId), { attempt: 1, reason: "Error: its own fault" });
  await muster.settled();
  t.deepEqual(await muster.results("starts."), []);
});
