import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "ava";
import { addCe } from "../ces/administer_ces.ts";
import { listCes } from "../ces/list_ces.ts";
import { DatabaseGoneError } from "../database/failures.ts";
import { openDatabase } from "../open_database.ts";
import { claim, runSql, startTestServer, untilWaiting } from "../testing/mod.ts";
import { CeNamesCollideError } from "./m0002_ce_names.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migration_list.ts";
import { requireMigrated, SchemaAheadError, SchemaBehindError } from "./require_migrated.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const names = migrations.map(({ name }) => name);

test("the migrations make exactly the tables that the entities declare", async (t) => {
  await using database = await server.open();
  t.is(await database.orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }), "");
});

test("eight apps that migrate an empty database at once are all ready, and one of them did it", async (t) => {
  const url = await server.createEmptyUrl();
  const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(url)));
  t.deepEqual(applied.flat(), names);
  await using database = await openDatabase({ url });
  await t.notThrowsAsync(database.transaction(requireMigrated));
  await t.notThrowsAsync(
    database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 1, successRate: 1 })),
  );
});

test("an app that is killed while it migrates leaves nothing half-done, and the next one goes on", async (t) => {
  const url = await server.createEmptyUrl();
  await using database = await openDatabase({ url });
  // The last table of the first migration is taken, so that the app stands still in its middle.
  const obstacle = database.unitOfWork.open(claim("obstacle"));
  await (await obstacle.transaction()).execute("create table lock_fence ()");
  const code = `import { migrate } from ${JSON.stringify(import.meta.resolve("./migrate.ts"))}; await migrate(process.argv[1]);`;
  const app = spawn(process.execPath, ["--input-type=module", "--eval", code, url], { stdio: "ignore" });
  await untilWaiting(database);
  const next = migrate(url);
  await untilWaiting(database, 2);
  app.kill("SIGKILL");
  await once(app, "exit");
  await obstacle.rollback();
  t.deepEqual(await next, names);
  await t.notThrowsAsync(database.transaction(requireMigrated));
});

/** A database as it was before names of CEs were in lower case, with these CEs. */
async function openBeforeLowerCase(...ceNames: readonly string[]) {
  const url = await server.createUrl();
  const database = await openDatabase({ url });
  await runSql(database, "alter table compute_element drop constraint compute_element_name_check");
  await runSql(database, "delete from muster_migration where name = '0002_ce_names'");
  for (const [index, name] of ceNames.entries()) {
    await runSql(
      database,
      `insert into compute_element (name, capacity, success_rate) values ('${name}', ${index + 1}, 1)`,
    );
    await runSql(
      database,
      `insert into pilot (ce_name, vo, task_id, active_before, capacity_read) values ('${name}', 'lhcb', '${name}', 0, 9)`,
    );
    await runSql(database, `insert into pilot_request (task_id, ce_name, vo) values ('${name}', '${name}', 'lhcb')`);
  }
  return { url, database };
}

test("names of CEs are brought to lower case, with their pilots and requests", async (t) => {
  const { url, database } = await openBeforeLowerCase("CE01.Example.ORG", "ce02.example.org");
  await using _closed = database;
  t.deepEqual(await migrate(url), ["0002_ce_names"]);
  t.deepEqual(
    (await database.transaction(listCes)).map(({ name, active }) => ({ name, active })),
    [
      { name: "ce01.example.org", active: 1 },
      { name: "ce02.example.org", active: 1 },
    ],
  );
  t.deepEqual(await runSql(database, "select ce_name from pilot_request order by 1"), [
    { ce_name: "ce01.example.org" },
    { ce_name: "ce02.example.org" },
  ]);
});

test("CEs whose names differ by case only are not merged until their operator says which one stays", async (t) => {
  const { url, database } = await openBeforeLowerCase("CE01.Example.ORG", "ce01.example.org", "CE02");
  await using _closed = database;
  const error = await t.throwsAsync(migrate(url), { instanceOf: CeNamesCollideError });
  t.deepEqual(error?.hosts, [["CE01.Example.ORG", "ce01.example.org"]]);
  t.regex(
    error?.message ?? "",
    /"CE01.Example.ORG" \(capacity 1\) and "ce01.example.org" \(capacity 2\) .*`muster migrate --keep-ce CE01.Example.ORG`/,
  );
  t.is((await database.transaction(listCes)).length, 3, "nothing was changed");
  await t.throwsAsync(migrate(url, { keepCes: ["CE01.Example.ORG", "ce01.example.org"] }), {
    instanceOf: CeNamesCollideError,
  });
  t.deepEqual(await migrate(url, { keepCes: ["CE01.Example.ORG"] }), ["0002_ce_names"]);
  t.deepEqual(
    (await database.transaction(listCes)).map(({ name, capacity, active }) => ({ name, capacity, active })),
    [
      { name: "ce01.example.org", capacity: 1, active: 2 },
      { name: "ce02", capacity: 3, active: 1 },
    ],
  );
});

test("a schema that lacks a migration is refused, as an empty one is", async (t) => {
  await using database = await openDatabase({ url: await server.createEmptyUrl() });
  const error = await t.throwsAsync(database.transaction(requireMigrated), { instanceOf: SchemaBehindError });
  t.deepEqual(error?.missing, names);
});

test("a schema that a newer version has migrated is refused", async (t) => {
  await using database = await server.open();
  await runSql(database, "insert into muster_migration (name) values ('9999_from_the_future')");
  const error = await t.throwsAsync(database.transaction(requireMigrated), { instanceOf: SchemaAheadError });
  t.deepEqual(error?.unknown, ["9999_from_the_future"]);
});

test("a setting of the URL's that the server does not know is named, and a server that does not answer is gone", async (t) => {
  const url = new URL(await server.createUrl());
  url.searchParams.set("options", "-c setting_of_postgresql_99=1");
  await using database = await openDatabase({ url: url.href });
  await t.throwsAsync(database.ping(), { instanceOf: DatabaseGoneError, message: /setting_of_postgresql_99/ });
  await t.throwsAsync(migrate("postgres://nobody@127.0.0.1:1/nothing"), { instanceOf: DatabaseGoneError });
});
