import { composeExtensions, createChores, type ChoreServers } from "@muster/app";
import { startNatsServer } from "@muster/local";
import { type Database, listUnpublished } from "@muster/ledger";
import { addCe, getPilotSummary, requestPilots } from "@muster/logic";
import { outcome, runSql } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { extension, MyPilotTask } from "@muster/pilot-tasks";
import { type Broker, connectNats, createPublisher, openBroker, silentObserver } from "@muster/tasks";
import { listWaiting, publishRetry } from "@muster/tasks/operate";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../support/until.ts";

const opened = new AsyncDisposableStack();
const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-chores-")));
const [postgres, nats] = await Promise.all([
  startTestServer(),
  startNatsServer({ dataDir: folder.path, syncInterval: "lazy" }),
]);
opened.use(postgres);
opened.defer(() => nats.stop());
const nc = await connectNats({ url: nats.url, name: "chores test" });
opened.defer(() => nc.close());
const broker = await openBroker(nc);
test.after.always(() => opened.disposeAsync());

const payload = { ceName: "ce01" };
const never = new AbortController().signal;
const quiet = { info() {}, warn() {} };

/** Runs a chore of the leading scheduler by its name. */
type RunChore = (name: string) => Promise<void>;

/** What a scheduler does beside scheduling, with the pilots as its extension. */
function choresOf(servers: ChoreServers, historyMs?: number): RunChore {
  const history = historyMs === undefined ? {} : { historyMs };
  const chores = createChores(servers, { ...composeExtensions([extension]), ...history });
  return async (wanted) => {
    const chore = chores.find(({ name }) => name === wanted);
    if (chore === undefined) throw new Error(`there is no chore ${wanted}`);
    await chore.run(never);
  };
}

async function open(): Promise<{ database: Database; servers: ChoreServers; run: RunChore }> {
  const database = await postgres.open();
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 10, successRate: 1 }));
  const servers = { broker, database, log: quiet };
  return { database, servers, run: choresOf(servers) };
}

async function countWaiting(vo: string): Promise<number> {
  const waiting = await listWaiting(broker, MyPilotTask.name);
  return waiting.find((each) => each.vo === vo)?.ready ?? 0;
}

test("children that nobody marked as published are published by the scheduler, once", async (t) => {
  const { database, run } = await open();
  await using _closed = database;
  const children = ["a", "b"].map((id) => ({ taskId: `p/${id}`, task: MyPilotTask.name, vo: "republished", payload }));
  await database.ledger.record(outcome("p", { vo: "republished", spawned: children }));
  await run("publishing forgotten children");
  t.is(await countWaiting("republished"), 0, "its worker may still be at it");
  await runSql(database, "update task_outcome set settled_at = now() - interval '6 minutes'");
  await run("publishing forgotten children");
  await run("publishing forgotten children");
  t.is(await countWaiting("republished"), 2);
  t.deepEqual(await database.transaction((transaction) => listUnpublished(transaction)), []);
});

test("the leading scheduler publishes what applications have put into the outbox", async (t) => {
  const database = await postgres.open();
  await using _closed = database;
  const chore = createChores({ broker, database, log: quiet }, composeExtensions([extension])).find(
    ({ name }) => name === "publishing the outbox",
  );
  const stop = new AbortController();
  const running = chore?.run(stop.signal);
  await database.transaction((transaction) =>
    database.ledger.publishWith(transaction, MyPilotTask, { vo: "outbox", payload }),
  );
  await until(async () => ((await countWaiting("outbox")) === 1 ? true : undefined), "the task");
  stop.abort();
  await running;
  t.pass();
});

test("a pilot that was asked for and whose message is lost gives its slot back after ten minutes, whatever else waits for its VO", async (t) => {
  const { database, run } = await open();
  await using _closed = database;
  const publisher = createPublisher(broker);
  await publisher.publish(MyPilotTask, { vo: "busy", payload });
  await publisher.publish(MyPilotTask, { vo: "busy", payload, taskId: "waits" });
  await publisher.publish(MyPilotTask, {
    ...{ vo: "busy", payload, taskId: "is delayed" },
    at: new Date(Date.now() + 3_600_000),
  });
  const requests = ["waits", "is delayed", "is lost"].map((taskId) => ({ taskId, ceName: "ce01", vo: "busy" }));
  requests.push({ taskId: "is lost, and its VO is gone", ceName: "ce01", vo: "gone" });
  await database.transaction((transaction) => requestPilots(transaction, requests));
  const left = async () =>
    (await runSql<{ id: string }>(database, "select task_id as id from pilot_request order by id")).map(({ id }) => id);
  await run("forgetting lost requests");
  t.is((await left()).length, 4, "all may be on their way");
  await runSql(database, "update pilot_request set requested_at = now() - interval '11 minutes'");
  await run("forgetting lost requests");
  t.deepEqual(await left(), ["is delayed", "waits"]);
});

test("a child that was never published keeps its slot, and is published", async (t) => {
  const { database, run } = await open();
  await using _closed = database;
  const child = { taskId: "late child", task: MyPilotTask.name, vo: "late", payload };
  await database.ledger.record(outcome("late parent", { vo: "late", spawned: [child] }));
  await database.transaction((to) => requestPilots(to, [{ taskId: child.taskId, ceName: "ce01", vo: "late" }]));
  await runSql(database, "update pilot_request set requested_at = now() - interval '11 minutes'");
  await runSql(database, "update task_outcome set settled_at = now() - interval '11 minutes'");
  await run("forgetting lost requests");
  t.is(await countWaiting("late"), 1);
  t.is((await runSql(database, "select from pilot_request")).length, 1);
});

interface Recorded {
  readonly taskId: string;
  readonly dueAt: number;
  /** Left out by an older version. */
  readonly message?: "kept" | "not kept";
}

/** A retry as a worker has recorded it. */
async function recordRetry({ ledger }: Database, { taskId, dueAt, message = "kept" }: Recorded): Promise<void> {
  await ledger.record({
    ...outcome(taskId, { vo: "retried", outcome: "retry", attempt: 2, dueAt: new Date(dueAt).toISOString() }),
    ...(message === "kept"
      ? { message: { body: JSON.stringify(payload), headers: { "Task-Parent": "its parent" } } }
      : {}),
  });
}

async function laterOf(taskId: string) {
  return await broker.jsm.streams.getMessage("LATER", { last_by_subj: `later.MyPilotTask.retried.${taskId}=7E3` });
}

test("a retry of the ledger that no stream holds any more is published again as it was, and told once", async (t) => {
  const { database, servers } = await open();
  await using _closed = database;
  const alarms: string[] = [];
  const incidents: string[] = [];
  const watched: Broker = {
    ...broker,
    observer: { ...silentObserver, alarm: (message) => void alarms.push(message) },
    keepIncident: ({ text }) => void incidents.push(text),
  };
  const run = choresOf({ ...servers, broker: watched });
  const look = () => run("publishing lost retries");
  const hour = Date.now() + 3_600_000;
  await recordRetry(database, { taskId: "held", dueAt: hour });
  await recordRetry(database, { taskId: "lost", dueAt: hour });
  await recordRetry(database, { taskId: "unknown", dueAt: hour, message: "not kept" });
  await recordRetry(database, { taskId: "has fired", dueAt: Date.now() - 60_000 });
  await recordRetry(database, { taskId: "overdue", dueAt: Date.now() - 60_000 });
  await recordRetry(database, { taskId: "young", dueAt: hour });
  const held = { ...{ task: MyPilotTask.name, vo: "retried", taskId: "held", attempt: 2 } };
  await publishRetry(broker, { ...held, dueAt: new Date(hour).toISOString(), body: "{}", headers: {} });
  await createPublisher(broker).publish(MyPilotTask, { vo: "retried", payload, taskId: "has fired" });
  await runSql(database, "update task_outcome set settled_at = now() - interval '11 seconds' where task_id <> 'young'");
  await look();
  t.is((await laterOf("held"))?.string(), "{}", "it was not touched");
  t.is(await laterOf("young"), null, "it may be on its way");
  const lost = await laterOf("lost");
  t.is(lost?.string(), JSON.stringify(payload));
  t.is(lost?.header?.get("Task-Attempt"), "3");
  t.is(lost?.header?.get("Task-Id"), "lost");
  t.is(lost?.header?.get("Task-Parent"), "its parent");
  t.is(lost?.header?.get("Nats-Schedule"), `@at ${new Date(hour).toISOString()}`);
  t.regex(
    alarms.join("\n"),
    /^Published 2 retries again that LATER had lost: lost \(MyPilotTask of retried\), overdue/,
  );
  t.regex(alarms.join("\n"), /LATER has lost 1 retry of an older version.*unknown \(MyPilotTask/);
  t.is(incidents.length, 1);
  const isThere = async () => ((await countWaiting("retried")) === 2 ? true : undefined);
  for (const until = Date.now() + 60_000; Date.now() < until && !(await isThere()); ) await pause(50);
  t.true(await isThere(), "the one that was overdue has come beside the one that waits");
  alarms.length = 0;
  await look();
  t.deepEqual(alarms, []);
});

test("outcomes of more than thirty days ago are dropped, however many", async (t) => {
  const { database, run } = await open();
  await using _closed = database;
  await database.ledger.record(outcome("young"));
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, settled_at, published_at)
     select 'old ' || n, 'MyPilotTask', 'lhcb', '', 1, 'done', 'null', '[]', '[]', now() - interval '31 days', now() from generate_series(1, 10001) n`,
  );
  await run("pruning the ledger");
  t.deepEqual(await runSql(database, "select task_id from task_outcome"), [{ task_id: "young" }]);
});

test("ended pilots are dropped after the days of the setting, 30 by default, and their numbers stay", async (t) => {
  const { database, servers, run } = await open();
  await using _closed = database;
  const dayMs = 86_400_000;
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, submitted_at, updated_at, task_id, active_before, capacity_read)
     select 'ce01', 'lhcb', 'DONE', now() - n * interval '20 days', now() - n * interval '20 days', 'p' || n, 0, 9
     from generate_series(0, 2) n`,
  );
  const rows = async () => (await runSql(database, "select from pilot")).length;
  const prune = "pruning ended pilots";
  await choresOf(servers, Number.POSITIVE_INFINITY)(prune);
  t.is(await rows(), 3);
  await run(prune);
  t.is(await rows(), 2);
  await choresOf(servers, 10 * dayMs)(prune);
  t.is(await rows(), 1);
  t.deepEqual(await database.transaction(getPilotSummary), { DONE: 3 });
});
