import test from "ava";
import { CompiledQuery } from "kysely";
import { claim, fence, outcome, runSql, startTestServer } from "../testing/mod.ts";
import { shelfTables } from "../testing/shelf_tables.ts";
import type { Transaction } from "./transaction.ts";

const COUNT_BOOKS = "select books from shelf where name = $1";
const WHOLE_SHELF = "select * from shelf where name = $1";

const server = await startTestServer({ tables: [{ ...shelfTables, frequent: [COUNT_BOOKS, WHOLE_SHELF] }] });
test.after.always(() => server[Symbol.asyncDispose]());

async function ask(transaction: Transaction, text: string): Promise<readonly unknown[]> {
  return (await transaction.getKysely().executeQuery(CompiledQuery.raw(text, ["s1"]))).rows;
}

const KEPT = "select statement from pg_prepared_statements order by name";

test("a connection has a frequent statement read once, and each run of a task finds it there", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  await runSql(database, "insert into shelf (name, books) values ('s1', 7)");
  for (const taskId of ["t1", "t2", "t3"]) {
    const opened = database.ledger.open(claim(taskId, fence("ce01", 1)));
    t.deepEqual(await ask(await opened.transaction(), COUNT_BOOKS), [{ books: 7 }]);
    t.like(await opened.commit(outcome(taskId)), { kind: "committed" });
  }
  const kept = await runSql<{ statement: string }>(database, KEPT);
  const begins = kept.map(({ statement }) => statement.trim().slice(0, 11));
  t.deepEqual(begins.toSorted(), ["commit", "insert into", "select book", "with record"]);
});

test("a statement that no set of tables calls frequent is kept nowhere", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  await database.transaction((transaction) => ask(transaction, "select name from shelf where name = $1"));
  t.deepEqual(await runSql(database, KEPT), [{ statement: "commit" }]);
});

test("a run whose kept plan no longer fits the tables is abandoned, and the next one gets another connection", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  await runSql(database, "insert into shelf (name, books) values ('s1', 7)");
  const first = database.ledger.open(claim("t1"));
  t.is((await ask(await first.transaction(), WHOLE_SHELF)).length, 1);
  await first.commit(outcome("t1"));
  await runSql(database, "alter table shelf add column colour text null");
  const second = database.ledger.open(claim("t2"));
  const error = await t.throwsAsync(ask(await second.transaction(), WHOLE_SHELF));
  t.is(database.ledger.classify(error), "gone");
  await second.rollback();
  const third = database.ledger.open(claim("t3"));
  t.like(await ask(await third.transaction(), WHOLE_SHELF), [{ name: "s1", colour: null }]);
  t.like(await third.commit(outcome("t3")), { kind: "committed" });
});
