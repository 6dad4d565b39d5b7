import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { startProcess } from "../support/child_process.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";
import { GROUP_POINTS, groupTasksOf, MEMBERS } from "./group_scenarios.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const VO = "lhcb";
/** Processes at the same time. */
const SIDE_BY_SIDE = 4;
/** Time after which the server hands a killed worker's message to another worker, ms. */
const ACK_WAIT_MS = 5_000;
const WORKER = new URL("./worker_main.ts", import.meta.url);

/** Publishes the parent to a worker that dies at its point, and resolves with the parent's id when the worker is dead. */
async function playCrash(muster: Muster, database: TestDatabase, index: number): Promise<string> {
  const { parent, all } = groupTasksOf(index);
  for (const { name } of all) await muster.declareConsumer(name, VO, ACK_WAIT_MS);
  const { taskId } = await muster.publish(parent, { vo: VO });
  await using worker = await startProcess(WORKER, {
    SCENARIO: String(index),
    GROUP: "1",
    NATS_URL: muster.nats.url,
    DATABASE_URL: database.url,
  });
  const { signal } = await within(worker.exited, () => `the end of scenario ${index}`);
  if (signal !== "SIGKILL") throw new Error(`scenario ${index} did not come to its point`);
  return taskId;
}

test("I21: a worker is killed at each arrow of a group's life, and the callback has one effect, with the results of all children of one run", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: [VO] });
  const ids: string[] = [];
  let next = 0;
  async function play(): Promise<void> {
    for (let index = next++; index < GROUP_POINTS.length; index = next++) {
      ids[index] = await playCrash(muster, database, index);
    }
  }
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, play));
  const tasks = GROUP_POINTS.flatMap((_, index) => groupTasksOf(index).all);
  // There is no scheduler: the redelivered message alone does what a killed worker left undone.
  await muster.startWorker({ tasks, ...database.forWorker });
  await muster.settled();
  for (const [index, { when, step, count }] of GROUP_POINTS.entries()) {
    const what = `${when} "${step}" ${count ?? 1}`;
    const row = await database.database.ledger.recall(ids[index] ?? "");
    const { id, run } = JSON.parse(JSON.stringify(row?.result ?? {}));
    const callback = await database.database.ledger.recall(`${id}/then`);
    t.is(await database.effects(`${id}/then`), 1, what);
    const results = Array.from({ length: MEMBERS }, (_, number) => ["done", { number, run }]);
    t.deepEqual(callback?.result, results, what);
  }
  t.deepEqual(await muster.deadLetters(), []);
});
