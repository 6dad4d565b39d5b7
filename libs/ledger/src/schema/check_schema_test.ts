import test from "ava";
import { askOnce } from "../database/ask_once.ts";
import { openDatabase } from "../open_database.ts";
import { runSql } from "../testing/tasks.ts";
import { shelfTables } from "../testing/shelf_tables.ts";
import { startTestServer } from "../testing/test_server.ts";
import { onOneConnection } from "../database/ask_once.ts";
import { withLedger } from "./ledger_tables.ts";
import { DatabaseReadOnlyError, inspectSchema, SchemaDamagedError } from "./check_schema.ts";
import { migrate } from "./migrate.ts";
import { SchemaBehindError } from "./require_migrated.ts";

const tables = [shelfTables];
const server = await startTestServer({ tables });
test.after.always(() => server[Symbol.asyncDispose]());

test("a schema that is gone is told with the migrations that it lacks, and is well again after them", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  await database.checkSchema();
  await runSql(database, "drop schema public cascade");
  await runSql(database, "create schema public");
  const error = await t.throwsAsync(database.checkSchema(), { instanceOf: SchemaBehindError });
  t.regex(error.message, /lacks ledger\/0001_tables.*shelf\/0002_labels; run `muster migrate`/);
  await migrate(url, { tables });
  await database.checkSchema();
});

test("a schema that goes between two questions of one look is told as gone, and not as a server that cannot be reached", async (t) => {
  const url = await server.createUrl();
  let asked = 0;
  const problem = await onOneConnection({ connectionString: url, application_name: "test", options: "" }, (client) =>
    inspectSchema(async (text, values) => {
      if (++asked === 3) await client.query("drop schema public cascade; create schema public");
      const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
      return rows;
    }, withLedger(tables)),
  );
  t.true(problem instanceof SchemaBehindError);
});

test("a table that somebody dropped is told by its name, and that a migration does not bring it back", async (t) => {
  await using database = await server.open();
  await runSql(database, "drop table shelf");
  await runSql(database, "drop table lock_fence");
  const error = await t.throwsAsync(database.checkSchema(), { instanceOf: SchemaDamagedError });
  t.deepEqual([...error.missing].sort(), ["lock_fence", "shelf"]);
  t.regex(error.message, /is missing although its migration was applied; restore .* backup/);
});

test("rights that a login lacks are told by table, and those on columns serve", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  const role = `weak_${new URL(url).pathname.slice(1)}`;
  await runSql(database, `create role ${role} login password 'weak'`);
  try {
    await runSql(database, `grant select, insert, update, delete on all tables in schema public to ${role}`);
    const weakUrl = new URL(url);
    weakUrl.username = role;
    weakUrl.password = "weak";
    await using weak = await openDatabase({ url: weakUrl.href, tables });
    await weak.checkSchema();
    await runSql(database, `revoke update on task_outcome from ${role}`);
    await runSql(database, `revoke insert on shelf from ${role}`);
    const error = await t.throwsAsync(weak.checkSchema(), { instanceOf: SchemaDamagedError });
    t.deepEqual([...error.forbidden].sort(), ["insert on shelf", "update on task_outcome"]);
    t.regex(error.message, /the right to .* is missing; grant it/);
    await runSql(database, `grant update (outcome) on task_outcome to ${role}`);
    await runSql(database, `grant insert on shelf to ${role}`);
    await weak.checkSchema();
    await runSql(database, `revoke select on muster_migration_shelf from ${role}`);
    t.regex((await t.throwsAsync(weak.checkSchema())).message, /select on muster_migration_shelf/);
  } finally {
    await runSql(database, `drop owned by ${role}`);
    await runSql(database, `drop role ${role}`);
  }
});

test("a database that takes no writes is told, and is well once it does", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url });
  const name = new URL(url).pathname.slice(1);
  await runSql(database, `alter database ${name} set default_transaction_read_only = on`);
  const error = await t.throwsAsync(database.checkSchema(), { instanceOf: DatabaseReadOnlyError });
  t.regex(error.message, /it is read-only; point DATABASE_URL at the primary server/);
  await runSql(database, `alter database ${name} reset default_transaction_read_only`);
  await t.notThrowsAsync(database.checkSchema());
});

test("a schema that a newer version has migrated is well, since older processes go on during an upgrade", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into muster_migration_shelf (name) values ('9999_newer')");
  await t.notThrowsAsync(database.checkSchema());
});

test("a database that is not there any more is no answer", async (t) => {
  const url = await server.createUrl();
  const gone = new URL(url);
  gone.pathname = "/there_is_none";
  await using database = await openDatabase({ url: gone.href });
  t.regex((await t.throwsAsync(database.checkSchema())).message, /there_is_none/);
  await t.notThrowsAsync(askOnce({ connectionString: url, application_name: "test", options: "" }, "select 1"));
});
