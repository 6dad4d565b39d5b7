import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { DatabaseGoneError, TransactionFailedError } from "../database/failures.ts";
import { type Database, openDatabase } from "../open_database.ts";
import { claim, fence, outcome, runSql, startProxy, startTestServer, untilRow, untilWaiting } from "../testing/mod.ts";
import { putShelf, shelfTables } from "../testing/shelf_tables.ts";
import { type LedgerTransaction, TransactionEndedError } from "./ledger_transaction.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

const effect = putShelf("t1");

const sleeping = "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/** Makes each COMMIT that has put up a shelf run `body` first, in PL/pgSQL. */
async function atCommit(database: Database, body: string): Promise<void> {
  await runSql(
    database,
    `create function at_commit() returns trigger language plpgsql as $$ begin ${body}; return null; end $$;
     create constraint trigger at_commit after insert on shelf deferrable initially deferred
     for each row execute function at_commit()`,
  );
}

/** The server's number for the connection that `opened` runs on. */
async function pidOf(opened: LedgerTransaction): Promise<number> {
  const transaction = await opened.transaction();
  const [row] = await transaction.execute<{ pid: number }[]>("select pg_backend_pid() as pid");
  return row?.pid ?? Number.NaN;
}

function terminate(database: Database, pid: number): Promise<object[]> {
  return runSql(database, `select pg_terminate_backend(${pid}, 5000)`);
}

test("what a task wrote and its row in the ledger become durable together", async (t) => {
  await using database = await server.open();
  const opened = database.ledger.open(claim("t1", fence("ce01", 1)));
  await (await opened.transaction()).execute(effect);
  t.deepEqual(await runSql(database, "select name from shelf"), []);
  const row = outcome("t1", { result: { shelf: 1 } });
  t.deepEqual(await opened.commit(row), { kind: "committed", row });
  t.deepEqual(await runSql(database, "select name from shelf"), [{ name: "t1" }]);
  t.deepEqual(await database.ledger.recall("t1"), row);
});

test("a run takes three round trips: its fences and its first statement, the second one, and its row with COMMIT", async (t) => {
  const url = await server.createUrl();
  await using proxy = await startProxy(url, { answersLateMs: 50 });
  await using database = await openDatabase({ url: proxy.url, poolSize: 1 });
  await database.ledger.recall("t0"); // connects
  const before = { trips: proxy.roundTrips, statements: proxy.statements.length };
  const opened = database.ledger.open(claim("t1", fence("ce01", 1), fence("ce02", 1)));
  const transaction = await opened.transaction();
  t.deepEqual(await transaction.execute("select name from shelf"), []);
  await transaction.execute(effect);
  t.like(await opened.commit(outcome("t1")), { kind: "committed" });
  t.is(proxy.roundTrips - before.trips, 3);
  t.is(proxy.statements.length - before.statements, 7, "BEGIN, two fences, two of the task, its row, COMMIT");
});

test("nothing is sent before the first use, and the isolation is READ COMMITTED whatever the server's default", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  const change =
    "execute format('alter database %I set default_transaction_isolation = serializable', current_database())";
  await runSql(operator, `do $$ begin ${change}; end $$`);
  await using database = await openDatabase({ url, applicationName: "lazy" });
  const connections = "select 1 from pg_stat_activity where application_name = 'lazy' and datname = current_database()";

  const opened = database.ledger.open(claim("t1"));
  t.deepEqual(await runSql(operator, connections), []);
  const transaction = await opened.transaction();
  t.deepEqual(await transaction.execute("show transaction_isolation"), [{ transaction_isolation: "read committed" }]);
  t.is(await opened.transaction(), transaction);
  t.is((await runSql(operator, connections)).length, 1);
  await opened.rollback();
});

test("a task whose row stands already writes nothing and is told that row", async (t) => {
  await using database = await server.open();
  const first = outcome("t1", { outcome: "dropped", errors: ["no"] });
  await database.ledger.record(first);
  const opened = database.ledger.open(claim("t1"));
  await (await opened.transaction()).execute(effect);
  t.deepEqual(await opened.commit(outcome("t1")), { kind: "earlier", row: first });
  t.deepEqual(await runSql(database, "select 1 from shelf"), []);
});

test("an error that the database reports at COMMIT is thrown, and nothing is kept", async (t) => {
  await using database = await server.open();
  await atCommit(database, "raise exception 'no shelves on a Sunday' using errcode = '23514'");
  const opened = database.ledger.open(claim("t1"));
  await (await opened.transaction()).execute(effect);
  const error = await t.throwsAsync(opened.commit(outcome("t1")), { message: /no shelves on a Sunday/ });
  t.is(database.ledger.classify(error), "failed");
  t.is(opened.gone(), undefined);
  t.is(await database.ledger.recall("t1"), undefined);
  t.deepEqual(await runSql(database, "select 1 from shelf"), []);
});

test("an error that the task swallowed still fails it, and the ledger does not say done", async (t) => {
  await using database = await server.open();
  const opened = database.ledger.open(claim("t1"));
  const transaction = await opened.transaction();
  await transaction.execute(effect);
  await t.throwsAsync(transaction.execute(effect)); // the task goes on
  const error = await t.throwsAsync(opened.commit(outcome("t1")), { instanceOf: TransactionFailedError });
  t.regex(error?.message ?? "", /duplicate key value violates unique constraint "shelf_pkey"/);
  t.is(database.ledger.classify(error), "failed");
  t.deepEqual(await runSql(database, "select 1 from shelf"), []);
});

test("a transaction in which an error was swallowed is told to have failed, though the server answers its COMMIT", async (t) => {
  await using database = await server.open();
  const swallowed = database.transaction(async (transaction) => {
    // The error is what this is about.
    await transaction.execute("select 1 / 0").catch(() => undefined);
  });
  await t.throwsAsync(swallowed, { name: "TransactionFailedError" });
});

test("a COMMIT whose connection is ended is neither done nor failed", async (t) => {
  await using database = await server.open();
  await atCommit(database, "perform pg_sleep(30)");
  const opened = database.ledger.open(claim("t1"));
  const pid = await pidOf(opened);
  await (await opened.transaction()).execute(effect);
  const answer = opened.commit(outcome("t1"));
  await untilRow(database, `select 1 from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`);
  await terminate(database, pid);
  t.like(await answer, { kind: "unknown", cause: { name: "DatabaseGoneError" } });
  t.true(opened.gone() instanceof DatabaseGoneError);
  t.is(await database.ledger.recall("t1"), undefined);
});

test("a COMMIT whose answer is lost on the way is unknown, and the ledger tells that it was done", async (t) => {
  const url = await server.createUrl();
  await using proxy = await startProxy(url);
  await using database = await openDatabase({ url: proxy.url });
  // The answer to the row comes long before.
  await atCommit(database, "perform pg_sleep(0.5)");
  const opened = database.ledger.open(claim("t1"));
  await (await opened.transaction()).execute(effect);
  proxy.loseAnswerTo("commit");
  t.like(await opened.commit(outcome("t1")), { kind: "unknown" });
  t.like(await database.ledger.recall("t1"), { outcome: "done" });
});

test("a connection lost before COMMIT abandons the task, also where execute swallowed the error", async (t) => {
  await using database = await server.open();
  const opened = database.ledger.open(claim("t1"));
  const transaction = await opened.transaction();
  await terminate(database, await pidOf(opened));
  const error = await t.throwsAsync(transaction.execute(effect));
  t.is(database.ledger.classify(error), "gone");
  t.true(opened.gone() instanceof DatabaseGoneError);
  t.like(await opened.commit(outcome("t1")), { kind: "unknown" });
});

test("I11: the idle timeout frees the row of a holder that stands still inside its transaction", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, idleInTransactionTimeoutMs: 2_000 });
  const paused = database.ledger.open(claim("t1", fence("ce01", 1)));
  await paused.fenced();
  // The next one has the usual limit: on a busy machine it may stand still for a while itself.
  await using other = await openDatabase({ url });
  const next = other.ledger.open(claim("t2", fence("ce01", 2)));
  t.like(await next.commit(outcome("t2")), { kind: "committed" });
  t.like(await paused.commit(outcome("t1")), { kind: "unknown" });
});

test("a holder that keeps its idle transaction awake is not cut off", async (t) => {
  const idleInTransactionTimeoutMs = 4_000;
  await using database = await server.open({ idleInTransactionTimeoutMs });
  const opened = database.ledger.open(claim("t1", fence("ce01", 1)));
  await opened.transaction();
  const until = performance.now() + 1.5 * idleInTransactionTimeoutMs;
  while (performance.now() < until) {
    await opened.keepAwake();
    await pause(200);
  }
  t.like(await opened.commit(outcome("t1")), { kind: "committed" });
});

test("the server ends a transaction after its timeout", async (t) => {
  await using database = await server.open({ transactionTimeoutMs: 2_000 });
  const opened = database.ledger.open(claim("t1"));
  const error = await t.throwsAsync((await opened.transaction()).execute("select pg_sleep(30)"));
  t.is(database.ledger.classify(error), "gone");
});

test("a transaction is destroyed while a statement runs in it, and what it held is free", async (t) => {
  await using database = await server.open();
  const hung = database.ledger.open(claim("t1", fence("ce01", 1)));
  const transaction = await hung.transaction();
  await transaction.execute(effect);
  const statement = t.throwsAsync(transaction.execute("select pg_sleep(600)"));
  await hung.destroy();
  await statement;
  t.true(hung.gone() instanceof TransactionEndedError);
  t.deepEqual(await runSql(database, sleeping), []);
  await t.throwsAsync(hung.transaction(), { instanceOf: TransactionEndedError });
  const next = database.ledger.open(claim("t2", fence("ce01", 2)));
  t.like(await next.commit(outcome("t2")), { kind: "committed" });
});

test("a task that ends while a statement of its own still runs has failed and is not gone, and the statement ends", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  await using database = await openDatabase({ url, poolSize: 1 });
  const opened = database.ledger.open(claim("t1"));
  const statement = t.throwsAsync((await opened.transaction()).execute("select pg_sleep(600)"));
  await untilRow(operator, sleeping);
  await opened.rollback();
  await statement;
  t.deepEqual(await runSql(operator, sleeping), []);
  t.is(opened.gone(), undefined);
  t.like(await database.ledger.record(outcome("t1", { outcome: "dropped" })), { outcome: "dropped" });
});

test("a statement that comes when the end has begun never reaches the server", async (t) => {
  const url = await server.createUrl();
  await using proxy = await startProxy(url);
  await using database = await openDatabase({ url: proxy.url, poolSize: 1 });
  for (const end of ["rollback", "destroy"] as const) {
    const opened = database.ledger.open(claim("t1"));
    const transaction = await opened.transaction();
    const late = t.throwsAsync(transaction.execute("select 'late'"), { message: /has ended/ });
    await opened[end]();
    await late;
  }
  t.deepEqual(
    proxy.statements.filter((statement) => statement.includes("late")),
    [],
  );
});

test("a transaction is destroyed while its fence waits for another's", async (t) => {
  await using database = await server.open();
  const holder = database.ledger.open(claim("t1", fence("ce01", 1)));
  await holder.fenced();
  const waiting = database.ledger.open(claim("t2", fence("ce01", 2)));
  const begun = t.throwsAsync(waiting.fenced());
  await untilWaiting(database);
  await waiting.destroy();
  await begun;
  t.like(await holder.commit(outcome("t1")), { kind: "committed" });
});

test("with one connection tasks take turns, and one that is destroyed gives it back", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const first = database.ledger.open(claim("t1", fence("ce01", 1)));
  const statement = t.throwsAsync(
    first.transaction().then((transaction) => transaction.execute("select pg_sleep(600)")),
  );
  const second = database.ledger.open(claim("t2", fence("ce01", 2)));
  const third = database.ledger.open(claim("t3", fence("ce01", 3)));
  const answers = Promise.all([second.commit(outcome("t2")), third.commit(outcome("t3"))]);
  await first.destroy();
  await statement;
  t.like(await answers, [{ kind: "committed" }, { kind: "committed" }]);
  t.like(await database.ledger.recall("t3"), { outcome: "done" });
});

test("a transaction destroyed while it waits for a connection never begins", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const first = database.ledger.open(claim("t1"));
  await first.transaction();
  const second = database.ledger.open(claim("t2"));
  const begun = t.throwsAsync(second.transaction(), { instanceOf: TransactionEndedError });
  await second.destroy();
  await first.rollback();
  await begun;
  t.like(await database.ledger.record(outcome("t3")), { taskId: "t3" });
});

test("an end may come twice, or before anything began, and nothing can be done after it", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const untouched = database.ledger.open(claim("t1"));
  await untouched.rollback();
  await untouched.destroy();
  await untouched.keepAwake();
  const opened = database.ledger.open(claim("t2"));
  const transaction = await opened.transaction();
  await opened.rollback();
  await opened.rollback();
  await opened.destroy();
  await t.throwsAsync(transaction.execute("select 1"), { message: /its transaction has ended/ });
  await t.throwsAsync(opened.transaction(), { instanceOf: TransactionEndedError });
  t.like(await database.ledger.record(outcome("t3")), { taskId: "t3" });
});

test("two transactions that lock each other: the loser is told to do it again", async (t) => {
  await using database = await server.open();
  await runSql(database, `${putShelf("a")}; ${putShelf("b")}`);
  const opened = ["t1", "t2"].map((taskId) => database.ledger.open(claim(taskId)));
  const lock = (name: string) => `update shelf set books = 1 where name = '${name}'`;
  const both = await Promise.all(opened.map((each) => each.transaction()));
  await Promise.all(both.map((transaction, index) => transaction.execute(lock(index === 0 ? "a" : "b"))));
  const ends = await Promise.allSettled(
    both.map((transaction, index) => transaction.execute(lock(index === 0 ? "b" : "a"))),
  );
  const loser = ends.find((end) => end.status === "rejected");
  t.is(database.ledger.classify(loser?.reason), "again");
  await Promise.all(opened.map((each) => each.rollback()));
});
