import test from "ava";
import { DatabaseGoneError } from "./database/failures.ts";
import { openDatabase } from "./open_database.ts";
import { claim, outcome, runSql, startTestServer, untilRow } from "./testing/mod.ts";
import { ComputeElement } from "./entities/compute_element.ts";
import { addCe } from "./ces/administer_ces.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("a database opens while its server is down, and says so when it is asked", async (t) => {
  await using database = await openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing" });
  await t.throwsAsync(database.ping(), { instanceOf: DatabaseGoneError });
  const error = await t.throwsAsync(database.unitOfWork.recall("t1"), { instanceOf: DatabaseGoneError });
  t.is(database.unitOfWork.classify(error), "gone");
  const work = database.unitOfWork.open(claim("t1"));
  t.like(await work.commit(outcome("t1")), { kind: "unknown", cause: { name: "DatabaseGoneError" } });
});

test("an idle connection that the server drops ends nothing, is noted, and is made anew", async (t) => {
  const { promise: noted, resolve: note } = Promise.withResolvers<string>();
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  await using database = await openDatabase({ url, poolSize: 1, applicationName: "dropped", note });
  await database.unitOfWork.recall("t1");
  await runSql(
    operator,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dropped' and datname = current_database()",
  );
  t.is(await noted, "An idle connection to the database was lost");
  t.is(await database.unitOfWork.recall("t1"), undefined);
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
  t.is(database.unitOfWork.classify(error), "gone");
  t.like(await database.unitOfWork.record(outcome("t1")), { taskId: "t1" });
});

test("a ping does not wait for a connection that tasks have in use", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const work = database.unitOfWork.open(claim("t1"));
  await work.transaction();
  await t.notThrowsAsync(database.ping());
  await work.rollback();
});

test("closing ends what is still open, also while a statement runs", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  const database = await openDatabase({ url, applicationName: "closing" });
  const idle = database.unitOfWork.open(claim("t1"));
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
  await t.throwsAsync(database.unitOfWork.recall("t1"));
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
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 1, successRate: 1 }));
  const work = database.unitOfWork.open(claim("t1"));
  const ce = await (await work.transaction()).findOneOrFail(ComputeElement, { name: "ce01" });
  ce.capacity = 7;
  t.like(await work.commit(outcome("t1")), { kind: "committed" });
  t.deepEqual(await runSql(database, "select capacity from compute_element"), [{ capacity: 7 }]);
});

test("an entity that MikroORM reads has the types that it declares", async (t) => {
  await using database = await server.open();
  await database.transaction((transaction) =>
    addCe(transaction, { name: "ce01", capacity: 1, successRate: 1, vos: ["lhcb", "vo.cta"] }),
  );
  const ce = await database.transaction((transaction) => transaction.findOneOrFail(ComputeElement, { name: "ce01" }));
  t.true(ce.createdAt instanceof Date);
  t.deepEqual(ce.vos, ["lhcb", "vo.cta"]);
});
