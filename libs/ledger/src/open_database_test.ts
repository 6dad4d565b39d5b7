import test from "ava";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { DatabaseGoneError } from "./database/failures.ts";
import { openDatabase } from "./open_database.ts";
import { claim, outcome, runSql, startTestServer, untilRow } from "./testing/mod.ts";
import { Shelf, shelfTables } from "./testing/shelf_tables.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

test("a database opens while its server is down, and says so when it is asked", async (t) => {
  await using database = await openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing" });
  await t.throwsAsync(database.ping(), { instanceOf: DatabaseGoneError });
  const error = await t.throwsAsync(database.ledger.recall("t1"), { instanceOf: DatabaseGoneError });
  t.is(database.ledger.classify(error), "gone");
  const opened = database.ledger.open(claim("t1"));
  t.like(await opened.commit(outcome("t1")), { kind: "unknown", cause: { name: "DatabaseGoneError" } });
});

test("a connection is waited for as long as its URL says, which is shorter or longer than otherwise", async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = silent.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const ended: string[] = [];
  const waits = ["?connect_timeout=600", "", "?connect_timeout=1"].map(async (limit) => {
    await using database = await openDatabase({ url: `postgres://nobody@127.0.0.1:${port}/nothing${limit}` });
    t.is(database.ledger.classify(await t.throwsAsync(database.ledger.recall("t1"))), "gone");
    ended.push(limit);
  });
  await Promise.all(waits.slice(1));
  for (const socket of sockets) socket.destroy();
  await Promise.all(waits);
  silent.close();
  t.deepEqual(ended, ["?connect_timeout=1", "", "?connect_timeout=600"]);
});

test("an idle connection that the server drops ends nothing, is noted, and is made anew", async (t) => {
  const { promise: noted, resolve: note } = Promise.withResolvers<string>();
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  await using database = await openDatabase({ url, poolSize: 1, applicationName: "dropped", note });
  await database.ledger.recall("t1");
  await runSql(
    operator,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dropped' and datname = current_database()",
  );
  t.is(await noted, "An idle connection to the database was lost");
  t.is(await database.ledger.recall("t1"), undefined);
});

test("a connection that is dropped under a statement is made anew, with a pool of one", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  await using database = await openDatabase({ url, poolSize: 1, applicationName: "dropped" });
  const sleeping = runSql(database, "select pg_sleep(600)");
  const backend = "from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
  await untilRow(operator, `select 1 ${backend}`);
  await runSql(operator, `select pg_terminate_backend(pid) ${backend}`);
  const error = await t.throwsAsync(sleeping);
  t.is(database.ledger.classify(error), "gone");
  t.like(await database.ledger.record(outcome("t1")), { taskId: "t1" });
});

test("a ping does not wait for a connection that tasks have in use", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const opened = database.ledger.open(claim("t1"));
  await opened.transaction();
  await t.notThrowsAsync(database.ping());
  await opened.rollback();
});

test("closing ends what is still open, also while a statement runs", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  const database = await openDatabase({ url, applicationName: "closing" });
  const idle = database.ledger.open(claim("t1"));
  await idle.transaction();
  const sleeping = t.throwsAsync(runSql(database, "select pg_sleep(600)"));
  await untilRow(
    operator,
    "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
  );
  await database.close();
  await sleeping;
  t.true(idle.gone() instanceof DatabaseGoneError);
  await untilRow(
    operator,
    "select from pg_stat_activity where application_name = 'closing' and datname = current_database() having count(*) = 0",
  );
  await t.throwsAsync(database.ledger.recall("t1"));
});

test("each connection begins with the timeouts, and with the options of the URL", async (t) => {
  const url = new URL(await server.createUrl());
  url.searchParams.set("options", "-c work_mem=5MB");
  await using database = await openDatabase({
    url: url.href,
    idleInTransactionTimeoutMs: 12_000,
    transactionTimeoutMs: 34_000,
    applicationName: "a worker",
  });
  // Before PostgreSQL 17 there is no transaction_timeout.
  const rows = await runSql<{ values: readonly string[] }>(
    database,
    `select array[current_setting('idle_in_transaction_session_timeout'),
      coalesce(current_setting('transaction_timeout', true), current_setting('statement_timeout')),
      current_setting('work_mem'), current_setting('application_name')] as values`,
  );
  t.deepEqual(rows, [{ values: ["12s", "34s", "5MB", "a worker"] }]);
});

test("what the entity manager still holds is flushed before the commit", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into shelf (name, books) values ('s1', 1)");
  const opened = database.ledger.open(claim("t1"));
  const shelf = await (await opened.transaction()).findOneOrFail(Shelf, { name: "s1" });
  shelf.books = 7;
  t.like(await opened.commit(outcome("t1")), { kind: "committed" });
  t.deepEqual(await runSql(database, "select books from shelf"), [{ books: 7 }]);
});

test("an entity that MikroORM reads has the types that it declares", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into shelf (name, books, labels) values ('s1', 1, '{lhcb,vo.cta}')");
  const shelf = await database.transaction((transaction) => transaction.findOneOrFail(Shelf, { name: "s1" }));
  t.true(shelf.madeAt instanceof Date);
  t.deepEqual(shelf.labels, ["lhcb", "vo.cta"]);
});
