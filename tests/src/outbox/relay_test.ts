import { outboxChore, type OutboxOptions } from "@muster/app";
import { getOutboxSummary, listRefusedTasks, retryRefusedTasks } from "@muster/ledger";
import { startDurableTestServer, startTestServer } from "@muster/ledger/testing";
import type { Middleware } from "@muster/tasks";
import { listWaiting } from "@muster/tasks/operate";
import { startPostgres } from "@muster/local";
import test from "ava";
import { startProcess } from "../support/child_process.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until, within } from "../support/until.ts";
import { GreetTask } from "./greet_task.ts";
import { NoteTask } from "./note_task.ts";

const server = await startTestServer();
const muster = await startMuster();
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Longer than any test, ms. */
const FAR_TOO_LONG_MS = 600_000;
/** Resolves once no task of the outbox waits to be published. */
async function untilEmpty({ database }: Pick<TestDatabase, "database">): Promise<void> {
  const isEmpty = async () => ((await database.transaction(getOutboxSummary)).waiting === 0 ? true : undefined);
  await until(isEmpty, "an empty outbox");
}

interface Relay extends AsyncDisposable {
  /** The first error, which would have made the scheduler begin again. */
  readonly failed: Promise<unknown>;
}

/** Publishes the outbox as a leading scheduler does, until it is disposed of. */
function startRelay(
  { database }: Pick<TestDatabase, "database">,
  { broker }: Pick<typeof muster, "broker"> = muster,
  options: OutboxOptions = {},
): Relay {
  const chore = outboxChore({ broker, database, log: { info() {}, warn() {} } }, options);
  const stop = new AbortController();
  const failed = Promise.withResolvers<unknown>();
  async function repeat(): Promise<void> {
    while (!stop.signal.aborted) await chore.run(stop.signal).catch(failed.resolve);
  }
  const ended = repeat();
  return {
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

function publish({ database }: TestDatabase, taskId: string): Promise<string> {
  return database.transaction((to) =>
    database.ledger.publishWith(to, NoteTask, { taskId, payload: { words: taskId } }),
  );
}

/** The ids of the tasks that TASKS holds, in its order. */
async function storedIds({ broker }: Pick<typeof muster, "broker"> = muster): Promise<readonly string[]> {
  const { state } = await broker.jsm.streams.info("TASKS");
  const ids: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const stored = await broker.jsm.streams.getMessage("TASKS", { seq });
    if (stored?.subject.startsWith("tasks.")) ids.push(stored.header.get("Task-Id"));
  }
  return ids;
}

test.serial(
  "a task that was published with a transaction runs once that has committed, told by the commit and not by the clock",
  async (t) => {
    await using database = await createTestDatabase(server);
    await using _relay = startRelay(database, muster, { lookMs: FAR_TOO_LONG_MS });
    const worker = await muster.startWorker({ tasks: [NoteTask], ...database.forWorker });
    await database.database.transaction(async (to) => {
      await database.database.ledger.publishWith(to, NoteTask, { taskId: "held", payload: {} });
      await untilEmpty(database); // the relay has looked, and there is nothing yet
      t.is((await listWaiting(muster.broker, "NoteTask")).length, 0);
    });
    await muster.event("done", "held");
    const later = new Date(Date.now() + FAR_TOO_LONG_MS);
    await database.database.transaction((to) =>
      database.database.ledger.publishWith(to, NoteTask, {
        ...{
          taskId: "later",
          payload: {},
          at: later,
          headers: { traceparent: "00-abc-def-01" },
          keepResult: { seconds: 90 },
        },
      }),
    );
    await untilEmpty(database);
    const stored = await muster.broker.jsm.streams.getMessage("LATER", { last_by_subj: "later.NoteTask._.later" });
    t.is(stored?.header.get("Nats-Schedule"), `@at ${later.toISOString()}`);
    t.is(stored?.header.get("traceparent"), "00-abc-def-01");
    t.is(stored?.header.get("Task-Keep-Result"), "90000ms");
    t.is(await database.effects("held"), 1);
    await worker.drain();
  },
);

test.serial(
  "what came without a word, as by a connection on which nothing is told, is found by the next look",
  async (t) => {
    await using database = await createTestDatabase(server);
    await database.sql("alter table task_outbox disable trigger told");
    await using _relay = startRelay(database, muster, { lookMs: 50 });
    await publish(database, "unheard");
    await untilEmpty(database);
    t.true((await storedIds()).includes("unheard"));
  },
);

test.serial("a task that can never be published is set aside with its reason, and holds up no other", async (t) => {
  await using database = await createTestDatabase(server);
  const tooLarge = `json_build_object('words', repeat('x', 1200000))`;
  await database.sql(`insert into task_outbox (task_id, task, vo, payload) values
    ('a', 'No Task', '_', '{}'), ('b', 'NoteTask', '_', ${tooLarge}), ('c', 'NoteTask', 'b*d', '{}'),
    ('good', 'NoteTask', '_', '{"words":"as it is"}')`);
  await using _relay = startRelay(database);
  await untilEmpty(database);
  const refused = await database.database.transaction((to) => listRefusedTasks(to));
  t.deepEqual(
    refused.map(({ taskId }) => taskId),
    ["a", "b", "c"],
  );
  t.regex(refused[0]?.reason ?? "", /"No Task" as task name/);
  t.regex(refused[1]?.reason ?? "", /max_payload/);
  t.regex(refused[2]?.reason ?? "", /"b\*d" as VO name/);
  t.true((await storedIds()).includes("good"));
  await database.sql("update task_outbox set task = 'NoteTask' where task_id = 'a'");
  await database.database.transaction((to) => retryRefusedTasks(to, ["a"]));
  await untilEmpty(database);
  t.like(await database.database.transaction(getOutboxSummary), { waiting: 0, refused: 2 });
});

test.serial(
  "a task of the outbox passes the publish hooks, and one that they refuse is set aside with their reason until somebody retries it",
  async (t) => {
    await using database = await createTestDatabase(server);
    let isOpen = false;
    const guard: Middleware = {
      name: "guard",
      async publish({ payload, headers }, next) {
        if (payload["words"] === "rude" && !isOpen) throw new Error("no rude words");
        headers["X-Guard"] = `saw ${headers["traceparent"]}`;
        await next();
      },
    };
    await using _relay = startRelay(database, muster, { middleware: [guard] });
    await database.database.transaction(async (to) => {
      const { ledger } = database.database;
      const headers = { traceparent: "00-a-b-01" };
      await ledger.publishWith(to, NoteTask, { taskId: "rude", payload: { words: "rude" }, headers });
      await ledger.publishWith(to, NoteTask, { taskId: "kind", payload: { words: "kind" }, headers });
    });
    await untilEmpty(database);
    const [refused, ...others] = await database.database.transaction((to) => listRefusedTasks(to));
    t.like(refused, { taskId: "rude", reason: `refused by middleware "guard": no rude words` });
    t.deepEqual(others, []);
    isOpen = true;
    await database.database.transaction((to) => retryRefusedTasks(to, "all"));
    await untilEmpty(database);
    const stored = await muster.broker.jsm.streams.getMessage("TASKS", { last_by_subj: "tasks.NoteTask._" });
    t.is(stored?.header.get("Task-Id"), "rude");
    t.is(stored?.header.get("X-Guard"), "saw 00-a-b-01");
  },
);

test.serial("ten thousand tasks are each stored once while two relays publish them at once", async (t) => {
  await using nats = await startTestNats();
  await using own = await startMuster({ nats });
  await using database = await createTestDatabase(server);
  await database.sql(
    "insert into task_outbox (task, task_id) select 'NoteTask', n::text from generate_series(1, 10000) n",
  );
  await using _one = startRelay(database, own);
  await using _other = startRelay(database, own);
  await untilEmpty(database);
  t.is(await own.waiting(), 10_000);
});

test("I27: a relay that is killed after it has published leaves the task to the next one, and it runs once", async (t) => {
  await using own = await startMuster();
  await using database = await createTestDatabase(server);
  await using relay = await startProcess(new URL("./relay_main.ts", import.meta.url), {
    NATS_URL: own.nats.url,
    DATABASE_URL: database.url,
  });
  await publish(database, "twice");
  t.is((await within(relay.exited, () => "the relay's end")).signal, "SIGKILL");
  t.deepEqual(await storedIds(own), ["twice"]);
  t.is((await database.sql("select from task_outbox")).length, 1);
  await using _next = startRelay(database, own);
  await untilEmpty(database);
  t.deepEqual(await storedIds(own), ["twice"], "the broker knows its id");
  // A restarted server has forgotten the ids of removed messages, as after its window. The ledger has not.
  await own.startWorker({ tasks: [NoteTask], ...database.forWorker });
  await own.event("done", "twice");
  await own.settled();
  await own.nats.kill();
  await own.nats.start();
  await own.reconnected();
  await publish(database, "twice");
  await own.event("duplicate", "twice");
  t.is(await database.effects("twice"), 1);
});

test("a web application with its own pg and the right to insert publishes what it commits, and no more", async (t) => {
  await using own = await startMuster();
  await using database = await createTestDatabase(server);
  const role = `visitors_${process.pid}`;
  await database.sql("create table visitor (name text not null)");
  await database.sql(`create role ${role} login password 'secret'`);
  await database.sql(`grant insert on task_outbox, visitor to ${role}`);
  const url = Object.assign(new URL(database.url), { username: role, password: "secret" });
  await using app = await startProcess(new URL("./web_app.ts", import.meta.url), { DATABASE_URL: url.href, PORT: "0" });
  const [, port] = /port: (\d+)/.exec(await app.line(/port: \d+/)) ?? [];
  await using _relay = startRelay(database, own);
  await own.startWorker({ tasks: [GreetTask] });
  const visit = (name: string) => fetch(`http://127.0.0.1:${port}/?name=${name}`);
  const refused = await visit("");
  t.is(refused.status, 400);
  t.regex(await refused.text(), /Cannot take this payload for GreetTask: name/);
  await own.event("done", await (await visit("Ada")).text());
  t.deepEqual(await database.sql("select name from visitor"), [{ name: "Ada" }]);
  await database.sql(`drop owned by ${role}`);
});

for (const [ends, count] of [
  ["before", 0],
  ["after", 1],
] as const) {
  test(`I27: an application that dies ${ends} its commit has published ${count} tasks`, async (t) => {
    await using database = await createTestDatabase(server);
    await using app = await startProcess(new URL("./app_main.ts", import.meta.url), {
      DATABASE_URL: database.url,
      TASK_ID: `dies ${ends}`,
      ENDS: ends,
    });
    t.is((await within(app.exited, () => "the application's end")).signal, "SIGKILL");
    // The server rolls back what its session had not committed. Ours bear the name of Muster.
    const sessions = `select from pg_stat_activity where datname = current_database()
      and backend_type = 'client backend' and application_name = ''`;
    await until(async () => ((await database.sql(sessions)).length === 0 ? true : undefined), "the end of its session");
    t.like(await database.database.transaction(getOutboxSummary), { waiting: count, refused: 0 });
  });
}

test("while NATS is away tasks of the outbox wait, and they are published when it is back", async (t) => {
  await using own = await startMuster();
  await using database = await createTestDatabase(server);
  await using relay = startRelay(database, own);
  await own.nats.kill();
  await publish(database, "patient");
  await within(relay.failed, () => "the relay's failure");
  t.like(await database.database.transaction(getOutboxSummary), { waiting: 1, refused: 0 });
  await own.nats.start();
  await untilEmpty(database);
  await own.reconnected();
  t.deepEqual(await storedIds(own), ["patient"]);
});

test("while PostgreSQL is away the relay waits, and it publishes what was committed when that is back", async (t) => {
  await using own = await startDurableTestServer();
  await using database = await createTestDatabase(own);
  await using relay = startRelay(database);
  await publish(database, "before");
  await untilEmpty(database);
  own.postgres.kill("SIGKILL");
  const { exited, port, dataDir } = own.postgres;
  await exited;
  await within(relay.failed, () => "the relay's failure");
  await using _again = await startPostgres({ dataDir, port });
  await until(() => publish(database, "after").catch(() => undefined), "a commit");
  await untilEmpty(database);
  t.true((await storedIds()).includes("after"));
});
