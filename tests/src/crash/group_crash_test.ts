import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { GROUP_POINTS, groupTasksOf, MEMBERS } from "./group_scenarios.ts";
import { playAll, playCrash, VO } from "./play_crash.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("I21: a worker is killed at each arrow of a group's life, and the callback has one effect, with the results of all children of one run", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: [VO] });
  const ids = await playAll(GROUP_POINTS.length, (index) => {
    const { parent, all } = groupTasksOf(index);
    const names = all.map(({ name }) => name);
    return playCrash({ muster, database }, { index, parent, names, env: { GROUP: "1" } });
  });
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
