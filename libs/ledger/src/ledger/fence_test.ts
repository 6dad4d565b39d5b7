import test from "ava";
import { claim, fence, outcome, runSql, startTestServer, untilWaiting } from "../testing/mod.ts";
import { putShelf, shelfTables } from "../testing/shelf_tables.ts";
import { FenceRefusedError } from "./fence.ts";
import { getHighestFence } from "./reports.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

const ceName = "ce01.example.org";

test("I9: a stale holder that waits for a newer one's transaction is refused once that has committed", async (t) => {
  await using database = await server.open();
  const newer = database.ledger.open(claim("t2", fence(ceName, 2)));
  await newer.fenced();
  const stale = database.ledger.open(claim("t1", fence(ceName, 1)));
  const refused = t.throwsAsync(stale.fenced(), { instanceOf: FenceRefusedError });
  await untilWaiting(database);
  t.like(await newer.commit(outcome("t2")), { kind: "committed" });

  t.like(await refused, { key: `my_pilot.${ceName}`, fencingToken: 1, storedRevision: 2 });
  t.true(stale.gone() instanceof FenceRefusedError);
  t.like(await stale.commit(outcome("t1")), { kind: "unknown" });
  t.is(await database.ledger.recall("t1"), undefined);
});

test("I10: a newer holder waits for the older one's open transaction and then sees what it wrote", async (t) => {
  await using database = await server.open();
  const older = database.ledger.open(claim("t1", fence(ceName, 1)));
  await (await older.transaction()).execute(putShelf("t1"));

  const newer = database.ledger.open(claim("t2", fence(ceName, 2)));
  const seen = newer.transaction().then((transaction) => transaction.execute("select name from shelf"));
  await untilWaiting(database);
  t.like(await older.commit(outcome("t1")), { kind: "committed" });
  t.deepEqual(await seen, [{ name: "t1" }]);
  await newer.rollback();
});

test("I13: the same holder may write again with its token, and a fence that was rolled back refuses nobody", async (t) => {
  await using database = await server.open();
  for (const taskId of ["t1", "t2"]) {
    const opened = database.ledger.open(claim(taskId, fence(ceName, 5)));
    t.like(await opened.commit(outcome(taskId)), { kind: "committed" });
  }
  const rolledBack = database.ledger.open(claim("t3", fence(ceName, 7)));
  await rolledBack.fenced();
  await rolledBack.rollback();
  const lower = database.ledger.open(claim("t4", fence(ceName, 6)));
  t.like(await lower.commit(outcome("t4")), { kind: "committed" });
});

test("a token that was given out twice is refused to the second holder", async (t) => {
  await using database = await server.open();
  const first = database.ledger.open(claim("t1", fence(ceName, 5, "first")));
  t.like(await first.commit(outcome("t1")), { kind: "committed" });
  const second = database.ledger.open(claim("t2", fence(ceName, 5, "second")));
  t.like(await second.commit(outcome("t2")), {
    kind: "unknown",
    cause: { name: "FenceRefusedError", storedRevision: 5 },
  });
});

test("one refused fence of several leaves none of them raised", async (t) => {
  await using database = await server.open();
  const holder = database.ledger.open(claim("t1", fence("ce02", 9)));
  t.like(await holder.commit(outcome("t1")), { kind: "committed" });
  const opened = database.ledger.open(claim("t2", fence("ce01", 8), fence("ce02", 8)));
  await t.throwsAsync(opened.fenced(), { instanceOf: FenceRefusedError });
  t.deepEqual(await runSql(database, "select key, revision from lock_fence"), [{ key: "my_pilot.ce02", revision: 9 }]);
});

test("I9: a stale holder writes nothing by the statement that travels with its fence, and hears why, also later", async (t) => {
  await using database = await server.open();
  const newer = database.ledger.open(claim("t2", fence(ceName, 2)));
  t.like(await newer.commit(outcome("t2")), { kind: "committed" });
  const stale = database.ledger.open(claim("t1", fence(ceName, 1)));
  const transaction = await stale.transaction();
  const refusal = { message: /fencing token 1: token 2 has written since/ };
  await t.throwsAsync(transaction.execute(putShelf("t1")), refusal);
  await t.throwsAsync(transaction.execute("select 1"), refusal);
  t.true(stale.gone() instanceof FenceRefusedError);
  t.like(await stale.commit(outcome("t1")), { kind: "unknown", cause: { name: "FenceRefusedError" } });
  t.deepEqual(await runSql(database, "select name from shelf"), []);
  t.deepEqual(await runSql(database, "select key from lock_fence where revision = 1"), []);
  // The connection is whole, and free for others.
  t.like(await database.ledger.record(outcome("t3")), { taskId: "t3" });
});

test("tokens as large as microseconds since 1970 are stored exactly, and the highest is found", async (t) => {
  await using database = await server.open();
  t.is(await database.transaction(getHighestFence), 0);
  const token = 1_795_000_000_123_457;
  const opened = database.ledger.open(claim("t1", fence("ce01", 3), fence("ce02", token)));
  t.like(await opened.commit(outcome("t1")), { kind: "committed" });
  t.is(await database.transaction(getHighestFence), token);
});
