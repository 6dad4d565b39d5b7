import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "ava";
import { DatabaseGoneError } from "../database/failures.ts";
import { openDatabase } from "../open_database.ts";
import { claim, runSql, startTestServer, untilRow, untilWaiting } from "../testing/mod.ts";
import { putShelf, shelfTables } from "../testing/shelf_tables.ts";
import { migrate } from "./migrate.ts";
import { SchemaAheadError, SchemaBehindError } from "./require_migrated.ts";

const tables = [shelfTables];
const server = await startTestServer({ tables });
test.after.always(() => server[Symbol.asyncDispose]());

const ledgerNames = [
  "ledger/0001_tables",
  "ledger/0003_retry_messages",
  "ledger/0004_outbox",
  "ledger/0005_store_mark",
  "ledger/0006_year",
];
const names = [...ledgerNames, "shelf/0001_tables", "shelf/0002_labels"];

test("the migrations make exactly the tables that the entities declare", async (t) => {
  await using database = await server.open();
  t.is(await database.orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }), "");
});

test("eight apps that migrate an empty database at once are all ready, and one of them did it", async (t) => {
  const url = await server.createEmptyUrl();
  const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(url, { tables })));
  t.deepEqual(applied.flat(), names);
  await using database = await openDatabase({ url, tables });
  await t.notThrowsAsync(database.requireMigrated());
  await t.notThrowsAsync(runSql(database, putShelf("s1")));
});

test("an app that is killed while it migrates leaves nothing half-done, and the next one goes on", async (t) => {
  const url = await server.createEmptyUrl();
  await using database = await openDatabase({ url });
  // The last table of the first migration is taken, so that the app stands still in its middle.
  const obstacle = database.ledger.open(claim("obstacle"));
  await (await obstacle.transaction()).execute("create table lock_fence ()");
  const code = `import { migrate } from ${JSON.stringify(import.meta.resolve("./migrate.ts"))}; await migrate(process.argv[1]);`;
  const app = spawn(process.execPath, ["--input-type=module", "--eval", code, url], { stdio: "ignore" });
  await untilWaiting(database);
  const next = migrate(url);
  await untilRow(
    database,
    "select from pg_stat_activity where datname = current_database() and application_name = 'muster migrate' having count(*) = 2",
  );
  app.kill("SIGKILL");
  await once(app, "exit");
  await obstacle.rollback();
  t.deepEqual(await next, ledgerNames);
  await t.notThrowsAsync(database.requireMigrated());
});

test("a schema that lacks a migration is refused, as an empty one is", async (t) => {
  await using database = await openDatabase({ url: await server.createEmptyUrl(), tables });
  const error = await t.throwsAsync(database.requireMigrated(), { instanceOf: SchemaBehindError });
  t.deepEqual(error?.missing, names);
});

test("a schema that a newer version has migrated is refused", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into muster_migration_shelf (name) values ('9999_from_the_future')");
  const error = await t.throwsAsync(database.requireMigrated(), { instanceOf: SchemaAheadError });
  t.deepEqual(error?.unknown, ["shelf/9999_from_the_future"]);
});

test("the ledger's tables come first, and a set that comes later finds its own migrations alone left to do", async (t) => {
  const url = await server.createEmptyUrl();
  t.deepEqual(await migrate(url), ledgerNames);
  t.deepEqual(await migrate(url, { tables }), ["shelf/0001_tables", "shelf/0002_labels"]);
  t.deepEqual(await migrate(url), [], "a program without the set leaves it alone");
  await using database = await openDatabase({ url });
  await t.notThrowsAsync(database.requireMigrated());
});

test("a set whose migration bears the name of one in the former list gets its tables all the same", async (t) => {
  const url = await server.createEmptyUrl();
  await migrate(url);
  await using database = await openDatabase({ url, tables });
  await runSql(database, "drop table task_outbox, store_mark; drop function task_outbox_told_fn");
  await runSql(database, "drop index task_outcome_dead");
  await runSql(database, "delete from muster_migration_ledger where name > '0004'");
  await runSql(database, "alter table muster_migration_ledger rename to muster_migration");
  t.deepEqual(await migrate(url, { tables }), [
    "ledger/0004_outbox",
    "ledger/0005_store_mark",
    "ledger/0006_year",
    "shelf/0001_tables",
    "shelf/0002_labels",
  ]);
  await t.notThrowsAsync(database.requireMigrated());
});

test("a migration that fails leaves nothing of any set", async (t) => {
  const url = await server.createEmptyUrl();
  await using database = await openDatabase({ url, tables });
  await runSql(database, "create table shelf ()");
  await t.throwsAsync(migrate(url, { tables }), { message: /shelf/ });
  t.deepEqual(await runSql(database, "select to_regclass('task_outcome') as made"), [{ made: null }]);
  await runSql(database, "drop table shelf");
  t.deepEqual(await migrate(url, { tables }), names);
});

test("sets that cannot live beside one another are refused before anything is asked", async (t) => {
  const url = "postgres://nobody@127.0.0.1:1/nothing";
  for (const [set, message] of [
    [{ ...shelfTables, name: "ledger" }, /two sets of tables named "ledger"/],
    [{ ...shelfTables, name: "other" }, /two tables named "shelf"/],
    [{ ...shelfTables, entities: [], name: "no-dash" }, /"no-dash" as the name of a set/],
  ] as const) {
    await t.throwsAsync(openDatabase({ url, tables: [shelfTables, set] }), { instanceOf: TypeError, message });
    await t.throwsAsync(migrate(url, { tables: [shelfTables, set] }), { instanceOf: TypeError, message });
  }
});

test("a setting of the URL's that the server does not know is named, and a server that does not answer is gone", async (t) => {
  const url = new URL(await server.createUrl());
  url.searchParams.set("options", "-c setting_of_postgresql_99=1");
  await using database = await openDatabase({ url: url.href });
  await t.throwsAsync(database.ping(), { instanceOf: DatabaseGoneError, message: /setting_of_postgresql_99/ });
  await t.throwsAsync(migrate("postgres://nobody@127.0.0.1:1/nothing"), { instanceOf: DatabaseGoneError });
});
