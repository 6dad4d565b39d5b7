import { findFreePort, startNatsServer, startPostgres } from "@muster/local";
import { type Database, migrate, openDatabase } from "@muster/ledger";
import { addCe, getPilotSummary, pilotTables } from "@muster/logic";
import { runSql, startProxy, untilWaiting } from "@muster/ledger/testing";
import { startDurableTestServer, startTestServer } from "@muster/logic/testing";
import { MyPilotReportTask } from "@muster/pilot-tasks";
import { connectNats, createPublisher, openBroker } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { startApp } from "./app_process.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Options of an operator who holds a lock in a transaction until an app has done something, which may take the app minutes on a busy machine. */
const OPERATOR = { idleInTransactionTimeoutMs: 600_000 };

test("an app that is started before its servers waits for them, unready, and for the schema too", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-apps-"));
  const port = await findFreePort();
  const databaseUrl = await server.createEmptyUrl();
  await using app = await startApp("report-worker", { natsUrl: `nats://127.0.0.1:${port}`, databaseUrl });
  await app.line(/run `muster migrate`.*cannot use the database yet/);
  t.is((await app.get("/healthz")).status, 200, "a restart would not help");
  t.is((await app.get("/readyz")).status, 503);
  await migrate(databaseUrl, { tables: [pilotTables] });
  await app.line(/cannot connect to NATS yet/);
  const nats = await startNatsServer({ dataDir: folder.path, port, syncInterval: "lazy" });
  await app.line(/ready for tasks/);
  await until(async () => ((await app.get("/readyz")).status === 200 ? true : undefined), "readiness");
  app.kill("SIGTERM");
  t.deepEqual(await app.exited, { code: 0, signal: null });
  await nats.stop();
});

/** Two VOs and a CE that takes every pilot, with rounds of a second. */
async function setUp(natsUrl: string, database: Database): Promise<void> {
  const nc = await connectNats({ url: natsUrl, name: "apps test" });
  const broker = await openBroker(nc);
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 6, successRate: 1 }));
  const tasks = Object.fromEntries(
    ["MySubmitPilotsTask", "MyCheckPilotsTask", "MyPilotReportTask"].map((task) => [task, { schedule: "every 1s" }]),
  );
  await changeConfiguration(broker, (now) => ({ ...withVo(withVo(now, "lhcb"), "vo.cta.in2p3.fr"), tasks }));
  await nc.close();
}

test("the scheduler and the workers, each started alone, move pilots; when the leading scheduler dies the other leads", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createUrl();
  await using database = await openDatabase({ url: databaseUrl, tables: [pilotTables] });
  await setUp(nats.url, database);
  const servers = { natsUrl: nats.url, databaseUrl };
  await using first = await startApp("scheduler", servers);
  await first.line(/"msg":"leads"/);
  await using second = await startApp("scheduler", servers);
  await second.line(/ready to schedule/);
  await using submitter = await startApp("submit-worker", servers);
  await using checker = await startApp("check-worker", servers);
  await using reporter = await startApp("report-worker", servers);
  const done = async () => (await database.transaction(getPilotSummary)).DONE ?? 0;
  const untilMore = (than: number) => until(async () => ((await done()) > than ? true : undefined), "more pilots done");
  await untilMore(0);
  await reporter.line(/"msg":"Pilots by status"/);

  t.regex((await first.get("/metrics")).text, /^muster_scheduler_leads 1$/m);
  t.regex((await second.get("/metrics")).text, /^muster_scheduler_leads 0$/m);
  t.regex((await first.get("/metrics")).text, /^muster_scheduler_leads_task\{task="MyPilotTask"\} 1$/m);
  t.regex((await second.get("/metrics")).text, /^muster_scheduler_leads_task\{task="MyPilotTask"\} 0$/m);
  const all = ["MyPilotTask", "MyPilotReportTask", "MyCheckPilotsTask", "MySubmitPilotsTask"];
  t.deepEqual([...JSON.parse((await first.get("/readyz")).text).leads].sort(), all.sort());
  t.deepEqual(JSON.parse((await second.get("/readyz")).text).leads, []);
  t.regex((await submitter.get("/metrics")).text, /^muster_worker_permits\{state="granted"\} 10$/m);
  first.kill("SIGKILL");
  await second.line(/"msg":"leads"/);
  await untilMore(await done());

  for (const app of [second, submitter, checker, reporter]) app.kill("SIGTERM");
  for (const app of [second, submitter, checker, reporter]) t.deepEqual(await app.exited, { code: 0, signal: null });
});

test("children whose parent's worker died before it published them are published by the scheduler, and run", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createUrl();
  await using database = await openDatabase({ url: databaseUrl, tables: [pilotTables] });
  await setUp(nats.url, database);
  const child = { taskId: "orphan/ce01/0", task: "MyPilotTask", vo: "lhcb", payload: { ceName: "ce01" } };
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, settled_at)
     values ('orphan', 'MySubmitPilotsTask', 'lhcb', '', 1, 'done', 'null', '${JSON.stringify([child])}', '[]', now() - interval '6 minutes')`,
  );
  const servers = { natsUrl: nats.url, databaseUrl };
  await using scheduler = await startApp("scheduler", servers);
  await using submitter = await startApp("submit-worker", servers);
  await scheduler.line(/published the children of a task that had not been/);
  // With or without a pilot: the rounds' own children may have filled the CE.
  const hasRun = async () => (await runSql(database, "select from task_outcome where task_id = 'orphan/ce01/0'"))[0];
  await until(hasRun, "the child's outcome");
  const [row] = await runSql<{ published_at: Date | null }>(
    database,
    "select published_at from task_outcome where task_id = 'orphan'",
  );
  t.not(row?.published_at, null);
  for (const app of [scheduler, submitter]) app.kill("SIGTERM");
  for (const app of [scheduler, submitter]) t.deepEqual(await app.exited, { code: 0, signal: null });
});

test("a ready app is red with the reason while NATS stands still or PostgreSQL is gone, and green again by itself", async (t) => {
  await using nats = await startTestNats();
  await using durable = await startDurableTestServer();
  const { dataDir, port } = durable.postgres;
  const servers = { natsUrl: nats.url, databaseUrl: await durable.createUrl() };
  await using app = await startApp("report-worker", servers);
  await app.line(/ready for tasks/);
  const reads = (status: number, reason: RegExp) =>
    until(async () => {
      const answer = await app.get("/readyz");
      return answer.status === status && reason.test(answer.text) ? true : undefined;
    }, `${status} with ${reason}`);
  await reads(200, /"ok"/);
  nats.pause();
  await reads(503, /"check":"NATS","reason":"no answer/);
  await reads(503, /"check":"worker","reason":"NATS has not answered/);
  nats.resume();
  await reads(200, /"ok"/);
  durable.postgres.kill("SIGKILL");
  await durable.postgres.exited;
  await reads(503, /database/);
  t.is((await app.get("/healthz")).status, 200, "a restart would not help");
  await using _again = await startPostgres({ dataDir, port });
  await reads(200, /"ok"/);
  t.deepEqual(JSON.parse((await app.get("/readyz")).text).reasons, []);
});

test("a worker app hands on what its settings and its tasks say: fences, the longest task, and the drain's deadline", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createUrl();
  await using proxy = await startProxy(databaseUrl);
  await using database = await openDatabase({ url: databaseUrl, tables: [pilotTables], ...OPERATOR });
  // A machine whose clock was an hour ahead has given out this token.
  const ahead = (Date.now() + 3_600_000) * 1_000;
  await runSql(database, `insert into lock_fence (key, revision, holder) values ('my_pilot.ce01', ${ahead}, 'x')`);
  await using app = await startApp("report-worker", { natsUrl: nats.url, databaseUrl: proxy.url });
  await app.line(/ready for tasks/);
  const nc = await connectNats({ url: nats.url, name: "apps test" });
  const broker = await openBroker(nc);
  const { state } = await broker.jsm.streams.info("KV_locks");
  t.true(state.first_seq > ahead, "the bucket of locks begins above the highest fence");
  const first = proxy.statements.find((text) => text.includes("'transaction_timeout'")) ?? "";
  t.regex(first, /'60000'/, "the database ends a transaction after the longest timeout of the app's tasks");
  t.is(JSON.parse((await app.get("/healthz")).text).eventLoopLimitMs, 120_000, "and health goes by that too");

  // A report that waits for this lock runs until it is aborted.
  await database.transaction(async (operator) => {
    await operator.execute("lock table pilot in access exclusive mode");
    await createPublisher(broker).publish(MyPilotReportTask, {});
    await untilWaiting(database);
    app.kill("SIGTERM");
    t.deepEqual(await app.exited, { code: 0, signal: null });
  });
  await app.line(/"msg":"stopped"/);
  t.false(app.lines.some((line) => line.includes("did not stop in time")));
  await nc.close();
});

test("a second signal ends a worker app's drain at once, in good order", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createUrl();
  await using database = await openDatabase({ url: databaseUrl, tables: [pilotTables], ...OPERATOR });
  const more = { MUSTER_DRAIN_SECONDS: "600" };
  await using app = await startApp("report-worker", { natsUrl: nats.url, databaseUrl, more });
  await app.line(/ready for tasks/);
  const nc = await connectNats({ url: nats.url, name: "apps test" });
  const broker = await openBroker(nc);
  await database.transaction(async (operator) => {
    await operator.execute("lock table pilot in access exclusive mode");
    await createPublisher(broker).publish(MyPilotReportTask, {});
    await untilWaiting(database);
    app.kill("SIGTERM");
    await app.line(/"msg":"stopping"/);
    // The line is written just before the health hears of it.
    await until(async () => ((await app.get("/readyz")).status === 503 ? true : undefined), "an unready app");
    await pause(600); // two demands closer than half a second are one
    app.kill("SIGTERM");
    t.deepEqual(await app.exited, { code: 0, signal: null });
  });
  await app.line(/"msg":"stopped"/);
  t.false(app.lines.some((line) => line.includes("did not stop in time")));
  await nc.close();
});
