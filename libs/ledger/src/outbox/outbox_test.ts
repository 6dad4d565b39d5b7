import test from "ava";
import { Client } from "pg";
import { DatabaseGoneError } from "../database/failures.ts";
import type { DatabaseTracing } from "../database/tracing.ts";
import type { Database } from "../open_database.ts";
import { openDatabase } from "../open_database.ts";
import { runSql, startTestServer, untilWaiting } from "../testing/mod.ts";
import { putShelf, shelfTables } from "../testing/shelf_tables.ts";
import {
  dropRefusedTasks,
  getOutboxSummary,
  listRefusedTasks,
  retryRefusedTasks,
  settleOutbox,
  takeOutbox,
} from "./outbox.ts";
import { type PreparableTask, publishWith, type Query } from "./publish_with.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

/** What a definition of tasks does, in small. */
const NoteTask: PreparableTask<{ readonly id: string; readonly words?: string }> = {
  async prepare({ id, words = "" }) {
    if (words === "bad") throw new RangeError("Cannot take this payload: it is bad");
    return { taskId: id, task: "NoteTask", vo: "_", payload: { words } };
  },
};
const never = new AbortController().signal;
/** Longer than any test, ms. */
const FAR_TOO_LONG_MS = 600_000;

async function idsIn(database: Database): Promise<readonly string[]> {
  const rows = await runSql<{ id: string }>(database, "select task_id as id from task_outbox order by number");
  return rows.map(({ id }) => id);
}

async function connect(url: string): Promise<AsyncDisposable & { readonly client: Client; readonly query: Query }> {
  const client = new Client(url);
  await client.connect();
  return {
    client,
    query: (text, values) => client.query(text, values),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

test("a task of the outbox goes on with the trace of the caller, unless it has one of its own", async (t) => {
  const tracing: DatabaseTracing = {
    statement: () => ({ end() {} }),
    transaction: () => ({ end() {}, statement: () => ({ end() {} }) }),
    headers: () => ({ traceparent: "the caller's", tracestate: "x=1" }),
  };
  await using database = await server.open({ tracing });
  const own: PreparableTask<object> = {
    prepare: async () => ({
      taskId: "own",
      task: "NoteTask",
      vo: "_",
      payload: {},
      headers: { traceparent: "its own" },
    }),
  };
  await database.transaction(async (transaction) => {
    await database.ledger.publishWith(transaction, NoteTask, { id: "below" });
    await database.ledger.publishWith(transaction, own, {});
  });
  const rows = await runSql(database, "select task_id as id, headers from task_outbox order by number");
  t.deepEqual(rows, [
    { id: "below", headers: { traceparent: "the caller's", tracestate: "x=1" } },
    { id: "own", headers: { traceparent: "its own" } },
  ]);
});

test("a task is in the outbox if and only if the transaction that published it has committed", async (t) => {
  await using database = await server.open();
  const publish = (id: string, end: () => void) =>
    database.transaction(async (transaction) => {
      await transaction.execute(putShelf(id));
      t.is(await database.ledger.publishWith(transaction, NoteTask, { id }), id);
      end();
    });
  await publish("kept", () => {});
  const failure = new Error("the application fails");
  t.is(
    await t.throwsAsync(
      publish("lost", () => {
        throw failure;
      }),
    ),
    failure,
  );
  t.deepEqual(await idsIn(database), ["kept"]);
  t.is((await runSql(database, "select from shelf")).length, 1);
});

test("a client of pg publishes in its own transaction, with a login that may insert into the outbox and nothing else", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables: [shelfTables] });
  const role = `web_${Date.now()}`;
  await runSql(database, `create role ${role} login`);
  await runSql(database, `grant insert on task_outbox to ${role}`);
  await using web = await connect(url);
  await web.client.query(`set role ${role}`);
  for (const end of ["rollback", "commit"]) {
    await web.client.query("begin");
    await publishWith(web.query, NoteTask, { id: "one", words: `"é" 1e400` });
    await web.client.query(end);
  }
  await t.throwsAsync(web.client.query("select from task_outbox"), { message: /permission denied/ });
  t.like(await database.transaction((transaction) => takeOutbox(transaction)), [
    { taskId: "one", task: "NoteTask", vo: "_", body: JSON.stringify({ words: `"é" 1e400` }) },
  ]);
  await runSql(database, `drop owned by ${role}`);
  await runSql(database, `drop role ${role}`);
});

test("a task that is not as it must be is refused at the call, and the transaction goes on", async (t) => {
  await using database = await server.open();
  await database.transaction(async (transaction) => {
    const refused = database.ledger.publishWith(transaction, NoteTask, { id: "bad", words: "bad" });
    await t.throwsAsync(refused, { instanceOf: RangeError });
    await database.ledger.publishWith(transaction, NoteTask, { id: "good" });
  });
  t.deepEqual(await idsIn(database), ["good"]);
});

test("an id that waits in the outbox is not inserted again, also by a transaction beside it, and neither fails", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url });
  await using first = await connect(url);
  await using second = await connect(url);
  for (const { client } of [first, second]) await client.query("begin");
  await publishWith(first.query, NoteTask, { id: "same" });
  await publishWith(first.query, NoteTask, { id: "same" });
  const beside = publishWith(second.query, NoteTask, { id: "same" });
  await untilWaiting(database);
  await first.client.query("commit");
  await beside;
  await second.client.query("commit");
  t.deepEqual(await idsIn(database), ["same"]);
});

test("plain SQL is enough to publish: what is left out has a default", async (t) => {
  await using database = await server.open();
  await runSql(
    database,
    `insert into task_outbox (task, vo, payload, start_at, headers, payload_version)
     values ('NoteTask', 'lhcb', '{"big": 12345678901234567890}', '2027-01-31 12:00Z', '{"traceparent": "00-1"}', 3)`,
  );
  await runSql(database, "insert into task_outbox (task) values ('BareTask')");
  const [note, bare] = await database.transaction((transaction) => takeOutbox(transaction));
  t.like(note, {
    vo: "lhcb",
    body: '{"big": 12345678901234567890}',
    startAt: "2027-01-31T12:00:00.000Z",
    headers: { traceparent: "00-1" },
    payloadVersion: 3,
  });
  t.deepEqual({ ...bare, number: 0, taskId: "" }, { number: 0, taskId: "", task: "BareTask", vo: "_", body: "{}" });
  t.regex(bare?.taskId ?? "", /^[0-9a-f-]{36}$/);
});

test("two who take from the outbox at once never have the same task, and what one has not settled is there again", async (t) => {
  await using database = await server.open();
  await runSql(
    database,
    "insert into task_outbox (task, task_id) select 'NoteTask', n::text from generate_series(1, 700) n",
  );
  const taken = await database.transaction(async (one) => {
    const first = await takeOutbox(one);
    const second = await database.transaction((other) => takeOutbox(other));
    await settleOutbox(one, { published: first.slice(0, 400).map(({ number }) => number), refused: [] });
    return [first, second].map((tasks) => tasks.map(({ taskId }) => Number(taskId)));
  });
  const numbers = Array.from({ length: 700 }, (_, index) => index + 1);
  t.deepEqual(taken, [numbers.slice(0, 500), numbers.slice(500)]);
  t.deepEqual((await idsIn(database)).map(Number), numbers.slice(400));
});

test("of large payloads no more are taken at once than a process can hold", async (t) => {
  await using database = await server.open();
  await runSql(
    database,
    "insert into task_outbox (task, payload) select 'NoteTask', json_build_object('a', repeat('x', 900000)) from generate_series(1, 9)",
  );
  t.is((await database.transaction((transaction) => takeOutbox(transaction))).length, 5);
});

test("a task that was set aside is passed over until somebody retries or drops it", async (t) => {
  await using database = await server.open();
  const within = database.transaction.bind(database);
  await runSql(
    database,
    "insert into task_outbox (task, task_id) select 'NoteTask', id from unnest(array['a','b','c']) id",
  );
  await within(async (transaction) => {
    const tasks = await takeOutbox(transaction);
    const refused = tasks.slice(0, 2).map(({ number, taskId }) => ({ number, reason: `not ${taskId}` }));
    await settleOutbox(transaction, { published: [], refused });
  });
  t.deepEqual(
    (await within((to) => takeOutbox(to))).map(({ taskId }) => taskId),
    ["c"],
  );
  t.like(await within(getOutboxSummary), { waiting: 1, refused: 2 });
  t.like(await within((to) => listRefusedTasks(to)), [{ taskId: "a", reason: "not a" }, { taskId: "b" }]);
  t.deepEqual(
    await within((to) => dropRefusedTasks(to, ["b", "c", "nobody"])),
    ["b"],
    "one that was not set aside stays",
  );
  await using listener = await database.listenToOutbox();
  t.deepEqual(await within((to) => retryRefusedTasks(to, "all")), ["a"]);
  await listener.untilTold(FAR_TOO_LONG_MS, never);
  t.deepEqual(
    (await within((to) => takeOutbox(to))).map(({ taskId }) => taskId),
    ["a", "c"],
  );
});

test("whoever listens is told of a commit that publishes, and of no roll-back", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url });
  await using listener = await database.listenToOutbox();
  await using web = await connect(url);
  await web.client.query("begin");
  await publishWith(web.query, NoteTask, { id: "one" });
  await web.client.query("rollback");
  await listener.untilTold(1, never); // it comes back after this time where nothing was told
  const told = listener.untilTold(FAR_TOO_LONG_MS, never);
  await publishWith(web.query, NoteTask, { id: "two" });
  await told;
  await publishWith(web.query, NoteTask, { id: "three" });
  await web.client.query("select 1");
  await listener.untilTold(FAR_TOO_LONG_MS, never);
  t.deepEqual(await idsIn(database), ["two", "three"]);
});

test("whoever listens hears that the connection is lost, and at once that it is to end", async (t) => {
  await using database = await server.open({ applicationName: "listening" });
  await using listener = await database.listenToOutbox();
  await listener.untilTold(FAR_TOO_LONG_MS, AbortSignal.abort());
  const told = t.throwsAsync(listener.untilTold(FAR_TOO_LONG_MS, never), { instanceOf: DatabaseGoneError });
  await runSql(
    database,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listening' and query like 'listen%' and datname = current_database()",
  );
  await told;
});
