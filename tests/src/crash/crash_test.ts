import { startTestServer } from "@muster/ledger/testing";
import { cancelTask } from "@muster/tasks/operate";
import test from "ava";
import { startProcess } from "../support/child_process.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";
import { CHILDREN, namesOf, SCENARIOS, tasksOf } from "./scenarios.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const VO = "lhcb";
/** Processes at the same time. */
const SIDE_BY_SIDE = 4;
/** Time after which the server hands a killed worker's message to another worker, ms. */
const ACK_WAIT_MS = 5_000;

const WORKER = new URL("./worker_main.ts", import.meta.url);

/** Publishes the scenario's task to a worker that dies of it, and resolves with the task's id when that is dead. */
async function playCrash(muster: Muster, database: TestDatabase, index: number): Promise<string> {
  const [parent] = tasksOf(index);
  // The consumer is there before the worker looks for it, so that the message of a dead worker comes back soon.
  await muster.declareConsumer(parent.name, VO, ACK_WAIT_MS);
  const { taskId } = await muster.publish(parent, { vo: VO });
  await using worker = await startProcess(WORKER, {
    SCENARIO: String(index),
    NATS_URL: muster.nats.url,
    DATABASE_URL: database.url,
  });
  const { cancelled } = SCENARIOS[index] ?? {};
  if (cancelled === "while it runs") {
    await muster.event("started", taskId);
    await cancelTask(muster.broker, taskId, { waitMs: 0 });
  }
  const { signal } = await within(worker.exited, () => `the end of scenario ${index}`);
  if (signal !== "SIGKILL") throw new Error(`scenario ${index} did not come to its point`);
  if (cancelled === "once its worker is dead") await cancelTask(muster.broker, taskId, { waitMs: 0 });
  return taskId;
}

test("I14, I17, I22: a worker is killed at each arrow of a task's end, and there is one outcome, one effect, and no child, retry or dead letter missing", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const ids: string[] = [];
  let next = 0;
  async function play(): Promise<void> {
    for (let index = next++; index < SCENARIOS.length; index = next++) {
      ids[index] = await playCrash(muster, database, index);
    }
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, play));
  const tasks = SCENARIOS.flatMap((_, index) => tasksOf(index));
  await muster.startWorker({ tasks, ...database.forWorker, lockTtlMs: 2_000 });
  await muster.settled();

  const letters = await muster.deadLetters();
  for (const [index, { ending, point }] of SCENARIOS.entries()) {
    const taskId = ids[index] ?? "";
    const what = `${ending}: ${point.when} "${point.step}"`;
    const row = await database.database.ledger.recall(taskId);
    const hasEffect = ending === "done" || ending === "retried";
    const outcome = hasEffect ? "done" : ending === "done without a database" ? undefined : ending;
    t.is(row?.outcome, outcome, what);
    t.is(row?.attempt, ending === "retried" ? 2 : outcome && 1, what);
    t.is(await database.effects(taskId), hasEffect ? 1 : 0, what);
    t.is(letters.filter((letter) => letter.taskId === taskId).length, ending === "dead" ? 1 : 0, what);
    const children = await database.sql<{ task_id: string; outcome: string }>(
      `select task_id, outcome from task_outcome where task = '${namesOf(index).child}'`,
    );
    const kept = await muster.broker.buckets.results.get(`result.${taskId}`);
    const end = hasEffect ? "done" : ending === "done without a database" ? "done" : ending;
    t.like(kept?.json(), { outcome: end, attempt: ending === "retried" ? 2 : 1 }, what);
    const spawns = hasEffect || ending === "done without a database";
    t.is(children.length, spawns ? CHILDREN : 0, what); // of another run there would be three more
    for (const child of children) t.is(await database.effects(child.task_id), 1, what);
    if (row?.outcome === "done")
      t.deepEqual(
        row.spawned.map((child) => child.taskId).toSorted(),
        children.map((child) => child.task_id).toSorted(),
        what,
      );
  }
  t.deepEqual(await muster.results("starts."), []);
  // Nobody removes the list of children of a task that was acked. It lapses by itself.
  const loose = SCENARIOS.findIndex(
    ({ ending, point }) => ending === "done without a database" && point.step === "acked",
  );
  const key = `spawned.${ids[loose]}.0`;
  t.deepEqual(await muster.results("spawned."), [key]);
  const left = await muster.broker.jsm.streams.getMessage("KV_results", { last_by_subj: `$KV.results.${key}` });
  t.is(left?.header.get("Nats-TTL"), "720h");
});
