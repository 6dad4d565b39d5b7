import test from "ava";
import { outcome, runSql, startTestServer } from "../testing/mod.ts";
import { getHighestFence } from "./reports.ts";
import { countOutcomesSince, readStoreMark, reopenChildren, writeStoreMark } from "./store_mark.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const positions = { TASKS: { createdAt: "born", lastSequence: 5 } };

test("a mark is set in place of the expected one alone", async (t) => {
  await using database = await server.open();
  const set = (number: number, expected?: number) =>
    database.transaction((to) => writeStoreMark(to, { number, expected, positions, locksRevision: number * 10 }));
  t.is(await database.transaction(readStoreMark), undefined);
  t.true(await set(1));
  t.false(await set(9), "there must be none");
  t.false(await set(9, 3));
  t.true(await set(2, 1));
  t.like(await database.transaction(readStoreMark), { number: 2, positions });
});

test("the highest token is that of the bucket at the last mark where no transaction has stored a higher one", async (t) => {
  await using database = await server.open();
  const highest = () => database.transaction(getHighestFence);
  t.is(await highest(), 0);
  await database.transaction((to) =>
    writeStoreMark(to, { number: 1, expected: undefined, positions, locksRevision: 70 }),
  );
  t.is(await highest(), 70);
  await runSql(database, "insert into lock_fence (key, revision, holder) values ('a', 71, 'b')");
  t.is(await highest(), 71);
});

test("children of tasks that ended since a moment are to be published again, and those of earlier ones are not", async (t) => {
  await using database = await server.open();
  const child = { taskId: "child", task: "A", vo: "_", payload: {} };
  for (const id of ["early", "late", "childless"]) {
    await database.ledger.record(outcome(id, { spawned: id === "childless" ? [] : [child] }));
    await database.ledger.markPublished(id);
  }
  await database.ledger.record(outcome("given up", { outcome: "dead" }));
  await runSql(database, "update task_outcome set settled_at = now() - interval '2 hours' where task_id = 'early'");
  const since = new Date(Date.now() - 3_600_000);
  t.deepEqual(await database.transaction((to) => countOutcomesSince(to, since)), { settled: 3, dead: 1 });
  t.is(await database.transaction((to) => reopenChildren(to, since)), 1);
  const open = await runSql(database, "select task_id as id from task_outcome where published_at is null");
  t.deepEqual(open, [{ id: "late" }]);
});
