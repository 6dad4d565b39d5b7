import test from "ava";
import { DatabaseGoneError, TransactionFailedError } from "../database/failures.ts";
import { type Database, openDatabase } from "../open_database.ts";
import { claim, fence, outcome, runSql, startProxy, startTestServer, untilRow, untilWaiting } from "../testing/mod.ts";
import { type TaskWork, WorkEndedError } from "./task_work.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const insertPilot =
  "insert into pilot (ce_name, vo, task_id, active_before, capacity_read) values ('ce01', 'lhcb', 't1', 0, 1)";

const sleeping = "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/** Makes each COMMIT that has written a pilot run `body` first, in PL/pgSQL. */
async function atCommit(database: Database, body: string): Promise<void> {
  await runSql(
    database,
    `create function at_commit() returns trigger language plpgsql as $$ begin ${body}; return null; end $$;
     create constraint trigger at_commit after insert on pilot deferrable initially deferred
     for each row execute function at_commit()`,
  );
}

/** The server's number for the connection that `work` runs on. */
async function pidOf(work: TaskWork): Promise<number> {
  const transaction = await work.transaction();
  const [row] = await transaction.execute<{ pid: number }[]>("select pg_backend_pid() as pid");
  return row?.pid ?? Number.NaN;
}

function terminate(database: Database, pid: number): Promise<object[]> {
  return runSql(database, `select pg_terminate_backend(${pid}, 5000)`);
}

test("what a task wrote and its row in the ledger become durable together", async (t) => {
  await using database = await server.open();
  const work = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  await (await work.transaction()).execute(insertPilot);
  t.deepEqual(await runSql(database, "select task_id from pilot"), []);
  const row = outcome("t1", { result: { pilotId: 1 } });
  t.deepEqual(await work.commit(row), { kind: "committed", row });
  t.deepEqual(await runSql(database, "select task_id from pilot"), [{ task_id: "t1" }]);
  t.deepEqual(await database.unitOfWork.recall("t1"), row);
});

test("nothing is sent before the first use, and the isolation is READ COMMITTED whatever the server's default", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  const change =
    "execute format('alter database %I set default_transaction_isolation = serializable', current_database())";
  await runSql(operator, `do $$ begin ${change}; end $$`);
  await using database = await openDatabase({ url, applicationName: "lazy" });
  const connections = "select 1 from pg_stat_activity where application_name = 'lazy' and datname = current_database()";

  const work = database.unitOfWork.open(claim("t1"));
  t.deepEqual(await runSql(operator, connections), []);
  const transaction = await work.transaction();
  t.deepEqual(await transaction.execute("show transaction_isolation"), [{ transaction_isolation: "read committed" }]);
  t.is(await work.transaction(), transaction);
  t.is((await runSql(operator, connections)).length, 1);
  await work.rollback();
});

test("a task whose row stands already writes nothing and is told that row", async (t) => {
  await using database = await server.open();
  const first = outcome("t1", { outcome: "dropped", errors: ["no"] });
  await database.unitOfWork.record(first);
  const work = database.unitOfWork.open(claim("t1"));
  await (await work.transaction()).execute(insertPilot);
  t.deepEqual(await work.commit(outcome("t1")), { kind: "earlier", row: first });
  t.deepEqual(await runSql(database, "select 1 from pilot"), []);
});

test("an error that the database reports at COMMIT is thrown, and nothing is kept", async (t) => {
  await using database = await server.open();
  await atCommit(database, "raise exception 'no pilots on a Sunday' using errcode = '23514'");
  const work = database.unitOfWork.open(claim("t1"));
  await (await work.transaction()).execute(insertPilot);
  const error = await t.throwsAsync(work.commit(outcome("t1")), { message: /no pilots on a Sunday/ });
  t.is(database.unitOfWork.classify(error), "failed");
  t.is(work.gone(), undefined);
  t.is(await database.unitOfWork.recall("t1"), undefined);
  t.deepEqual(await runSql(database, "select 1 from pilot"), []);
});

test("an error that the task swallowed still fails it, and the ledger does not say done", async (t) => {
  await using database = await server.open();
  const work = database.unitOfWork.open(claim("t1"));
  const transaction = await work.transaction();
  await transaction.execute(insertPilot);
  await t.throwsAsync(transaction.execute(insertPilot)); // the task goes on
  const error = await t.throwsAsync(work.commit(outcome("t1")), { instanceOf: TransactionFailedError });
  t.regex(error?.message ?? "", /duplicate key value violates unique constraint "pilot_task_id_unique"/);
  t.is(database.unitOfWork.classify(error), "failed");
  t.deepEqual(await runSql(database, "select 1 from pilot"), []);
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
  const work = database.unitOfWork.open(claim("t1"));
  const pid = await pidOf(work);
  await (await work.transaction()).execute(insertPilot);
  const answer = work.commit(outcome("t1"));
  await untilRow(database, `select 1 from pg_stat_activity where pid = ${pid} and wait_event = 'PgSleep'`);
  await terminate(database, pid);
  t.like(await answer, { kind: "unknown", cause: { name: "DatabaseGoneError" } });
  t.true(work.gone() instanceof DatabaseGoneError);
  t.is(await database.unitOfWork.recall("t1"), undefined);
});

test("a COMMIT whose answer is lost on the way is unknown, and the ledger tells that it was done", async (t) => {
  const url = await server.createUrl();
  await using proxy = await startProxy(url);
  await using database = await openDatabase({ url: proxy.url });
  const work = database.unitOfWork.open(claim("t1"));
  await (await work.transaction()).execute(insertPilot);
  proxy.loseAnswerTo("commit");
  t.like(await work.commit(outcome("t1")), { kind: "unknown" });
  t.like(await database.unitOfWork.recall("t1"), { outcome: "done" });
});

test("a connection lost before COMMIT abandons the task, also where execute swallowed the error", async (t) => {
  await using database = await server.open();
  const work = database.unitOfWork.open(claim("t1"));
  const transaction = await work.transaction();
  await terminate(database, await pidOf(work));
  const error = await t.throwsAsync(transaction.execute(insertPilot));
  t.is(database.unitOfWork.classify(error), "gone");
  t.true(work.gone() instanceof DatabaseGoneError);
  t.like(await work.commit(outcome("t1")), { kind: "unknown" });
});

test("I11: the idle timeout frees the row of a holder that stands still inside its transaction", async (t) => {
  await using database = await server.open({ idleInTransactionTimeoutMs: 300 });
  const paused = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  await paused.transaction();
  const next = database.unitOfWork.open(claim("t2", fence("ce01", 2)));
  t.like(await next.commit(outcome("t2")), { kind: "committed" });
  t.like(await paused.commit(outcome("t1")), { kind: "unknown" });
});

test("a holder that keeps its idle transaction awake is not cut off", async (t) => {
  const idleInTransactionTimeoutMs = 1_500;
  await using database = await server.open({ idleInTransactionTimeoutMs });
  const work = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  await work.transaction();
  const until = performance.now() + 1.5 * idleInTransactionTimeoutMs;
  while (performance.now() < until) await work.keepAwake();
  t.like(await work.commit(outcome("t1")), { kind: "committed" });
});

test("the server ends a transaction after its timeout", async (t) => {
  await using database = await server.open({ transactionTimeoutMs: 200 });
  const work = database.unitOfWork.open(claim("t1"));
  const error = await t.throwsAsync((await work.transaction()).execute("select pg_sleep(30)"));
  t.is(database.unitOfWork.classify(error), "gone");
});

test("a transaction is destroyed while a statement runs in it, and what it held is free", async (t) => {
  await using database = await server.open();
  const hung = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  const transaction = await hung.transaction();
  await transaction.execute(insertPilot);
  const statement = t.throwsAsync(transaction.execute("select pg_sleep(600)"));
  await hung.destroy();
  await statement;
  t.true(hung.gone() instanceof WorkEndedError);
  t.deepEqual(await runSql(database, sleeping), []);
  await t.throwsAsync(hung.transaction(), { instanceOf: WorkEndedError });
  const next = database.unitOfWork.open(claim("t2", fence("ce01", 2)));
  t.like(await next.commit(outcome("t2")), { kind: "committed" });
});

test("a task that ends while a statement of its own still runs has failed and is not gone, and the statement ends", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url });
  await using database = await openDatabase({ url, poolSize: 1 });
  const work = database.unitOfWork.open(claim("t1"));
  const statement = t.throwsAsync((await work.transaction()).execute("select pg_sleep(600)"));
  await untilRow(operator, sleeping);
  await work.rollback();
  await statement;
  t.deepEqual(await runSql(operator, sleeping), []);
  t.is(work.gone(), undefined);
  t.like(await database.unitOfWork.record(outcome("t1", { outcome: "dropped" })), { outcome: "dropped" });
});

test("a statement that comes when the end has begun never reaches the server", async (t) => {
  const url = await server.createUrl();
  await using proxy = await startProxy(url);
  await using database = await openDatabase({ url: proxy.url, poolSize: 1 });
  for (const end of ["rollback", "destroy"] as const) {
    const work = database.unitOfWork.open(claim("t1"));
    const transaction = await work.transaction();
    const late = t.throwsAsync(transaction.execute("select 'late'"), { message: /has ended/ });
    await work[end]();
    await late;
  }
  t.deepEqual(
    proxy.statements.filter((statement) => statement.includes("late")),
    [],
  );
});

test("a transaction is destroyed while its fence waits for another's", async (t) => {
  await using database = await server.open();
  const holder = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  await holder.transaction();
  const waiting = database.unitOfWork.open(claim("t2", fence("ce01", 2)));
  const begun = t.throwsAsync(waiting.transaction());
  await untilWaiting(database);
  await waiting.destroy();
  await begun;
  t.like(await holder.commit(outcome("t1")), { kind: "committed" });
});

test("with one connection tasks take turns, and one that is destroyed gives it back", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const first = database.unitOfWork.open(claim("t1", fence("ce01", 1)));
  const statement = t.throwsAsync(
    first.transaction().then((transaction) => transaction.execute("select pg_sleep(600)")),
  );
  const second = database.unitOfWork.open(claim("t2", fence("ce01", 2)));
  const third = database.unitOfWork.open(claim("t3", fence("ce01", 3)));
  const answers = Promise.all([second.commit(outcome("t2")), third.commit(outcome("t3"))]);
  await first.destroy();
  await statement;
  t.like(await answers, [{ kind: "committed" }, { kind: "committed" }]);
  t.like(await database.unitOfWork.recall("t3"), { outcome: "done" });
});

test("a transaction destroyed while it waits for a connection never begins", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const first = database.unitOfWork.open(claim("t1"));
  await first.transaction();
  const second = database.unitOfWork.open(claim("t2"));
  const begun = t.throwsAsync(second.transaction(), { instanceOf: WorkEndedError });
  await second.destroy();
  await first.rollback();
  await begun;
  t.like(await database.unitOfWork.record(outcome("t3")), { taskId: "t3" });
});

test("an end may come twice, or before anything began, and nothing can be done after it", async (t) => {
  await using database = await server.open({ poolSize: 1 });
  const untouched = database.unitOfWork.open(claim("t1"));
  await untouched.rollback();
  await untouched.destroy();
  await untouched.keepAwake();
  const work = database.unitOfWork.open(claim("t2"));
  const transaction = await work.transaction();
  await work.rollback();
  await work.rollback();
  await work.destroy();
  await t.throwsAsync(transaction.execute("select 1"), { message: /its transaction has ended/ });
  await t.throwsAsync(work.transaction(), { instanceOf: WorkEndedError });
  t.like(await database.unitOfWork.record(outcome("t3")), { taskId: "t3" });
});

test("two transactions that lock each other: the loser is told to do it again", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into pilot_request (task_id, ce_name, vo) values ('a', 'x', 'x'), ('b', 'x', 'x')");
  const works = ["t1", "t2"].map((taskId) => database.unitOfWork.open(claim(taskId)));
  const lock = (taskId: string) => `update pilot_request set vo = 'y' where task_id = '${taskId}'`;
  const both = await Promise.all(works.map((work) => work.transaction()));
  await Promise.all(both.map((transaction, index) => transaction.execute(lock(index === 0 ? "a" : "b"))));
  const ends = await Promise.allSettled(
    both.map((transaction, index) => transaction.execute(lock(index === 0 ? "b" : "a"))),
  );
  const loser = ends.find((end) => end.status === "rejected");
  t.is(database.unitOfWork.classify(loser?.reason), "again");
  await Promise.all(works.map((work) => work.rollback()));
});
