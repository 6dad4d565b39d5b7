import { startTestServer } from "@muster/ledger/testing";
import { cancelTask } from "@muster/tasks/operate";
import test from "ava";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { playAll, playCrash } from "./play_crash.ts";
import { CHILDREN, namesOf, SCENARIOS, tasksOf } from "./scenarios.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Lets a worker die at the point of one scenario, and resolves with the task's id when it is dead. */
async function play(systems: { readonly muster: Muster; readonly database: TestDatabase }, index: number) {
  const { muster } = systems;
  const [parent] = tasksOf(index);
  const { cancelled } = SCENARIOS[index] ?? {};
  const taskId = await playCrash(systems, {
    ...{ index, parent, names: [parent.name] },
    async meanwhile(id) {
      if (cancelled !== "while it runs") return;
      await muster.event("started", id);
      await cancelTask(muster.broker, id, { waitMs: 0 });
    },
  });
  if (cancelled === "once its worker is dead") await cancelTask(muster.broker, taskId, { waitMs: 0 });
  return taskId;
}

test("I14, I17, I22: a worker is killed at each arrow of a task's end, and there is one outcome, one effect, and no child, retry or dead letter missing", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const ids = await playAll(SCENARIOS.length, (index) => play({ muster, database }, index));
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
