import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { tideTables } from "../extension/tide/tide_tables.ts";
import { BusyTask, databaseTasks, StuckTask } from "./database_tasks.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const module = new URL("database_thread.ts", import.meta.url);
/** After such a pause in a transaction the database ends it, ms. */
const IDLE_MS = 10_000;

/** A worker with threads on a database of its own, which has the table of readings. */
async function startSystem() {
  await using opened = new AsyncDisposableStack();
  const options = { tables: [tideTables], idleInTransactionTimeoutMs: IDLE_MS };
  const database = opened.use(await createTestDatabase(server, options));
  await database.sql("create table tide_reading (task_id text primary key, centimetres int not null)");
  const muster = opened.use(await startMuster());
  const { deps: _here, ...ledger } = database.forWorker;
  const threads = { module, count: 2 };
  const worker = await muster.startWorker({ ...ledger, tasks: databaseTasks, lockTtlMs: 4_000, threads });
  const kept = opened.move();
  const readings = () => database.sql<{ task_id: string; centimetres: number }>("select * from tide_reading");
  const rowOf = (taskId: string) => database.database.ledger.recall(taskId);
  return { database, muster, worker, readings, rowOf, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

test("a task that computes in its transaction for longer than the database lets one rest keeps it, and writes once what its entity manager holds", async (t) => {
  await using system = await startSystem();
  const { muster } = system;
  const busyMs = IDLE_MS + 3_000;
  const { taskId } = await muster.publish(BusyTask, { vo: "lhcb", payload: { busyMs, write: "once" } });
  t.is((await muster.event("done", taskId)).attempt, 1);
  t.deepEqual(await system.readings(), [{ task_id: taskId, centimetres: 0 }]);
  const at = "1970-01-01T00:00:00.000Z";
  t.deepEqual((await system.rowOf(taskId))?.result, { found: 0, isBuffer: true, at, many: [1, 2] });
  t.deepEqual(muster.events.of(taskId), ["started", "done"]);
});

test("what the database refuses fails a task in a thread with the database's words, rolls it back, and leaves its thread as it was", async (t) => {
  await using system = await startSystem();
  const { muster } = system;
  const twice = await muster.publish(BusyTask, { vo: "lhcb", payload: { busyMs: 0, write: "twice" } });
  t.regex(
    (await muster.event("dead", twice.taskId)).reason ?? "",
    /^UniqueConstraintViolationException: .*tide_reading/,
  );
  const wrong = await muster.publish(BusyTask, { vo: "lhcb", payload: { busyMs: 0, write: "wrong" } });
  t.regex((await muster.event("dead", wrong.taskId)).reason ?? "", /^DriverException: division by zero/);
  t.deepEqual(await system.readings(), []);
  const right = await muster.publish(BusyTask, { vo: "lhcb", payload: { busyMs: 0, write: "once" } });
  await muster.event("done", right.taskId);
  t.is(system.worker.health().threads?.started, 1);
});

test("a task in a thread that ignores its signal while a statement runs is ended with its connection, before its lock goes on", async (t) => {
  await using system = await startSystem();
  const { muster, database, worker } = system;
  const { taskId } = await muster.publish(StuckTask, { vo: "lhcb" });
  await muster.event("dead", taskId);
  t.deepEqual(
    await database.sql("select from pg_stat_activity where query like '%pg_sleep(3600)' and pid <> pg_backend_pid()"),
    [],
  );
  t.deepEqual(await system.readings(), []);
  t.is((await system.rowOf(taskId))?.outcome, "dead");
  const free = await until(
    async () => (worker.health().threads?.busy === 0 ? worker.health() : undefined),
    "its thread",
  );
  t.is(free.lostPermits, 0);
  const next = await muster.publish(StuckTask, { vo: "lhcb" });
  await muster.event("started", next.taskId);
});
