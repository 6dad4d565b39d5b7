import test from "ava";
import { type Database, migrate, openDatabase, SchemaBehindError } from "@muster/ledger";
import { runSql } from "@muster/ledger/testing";
import { listCes } from "../ces/list_ces.ts";
import { getPilotSummary } from "../pilots/pilot_summary.ts";
import { startTestServer } from "../testing/mod.ts";
import { CeNamesCollideError, keepCes } from "./m0002_ce_names.ts";
import { pilotTables } from "./pilot_tables.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const tables = [pilotTables];

test("the migrations make exactly the tables that the entities declare", async (t) => {
  await using database = await server.open();
  t.is(await database.orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }), "");
});

const ALL = ["0001_tables", "0002_ce_names", "0003_retry_messages"];

/** Takes away what migration 3 of the pilots has made. */
async function withoutCounts(database: Database): Promise<void> {
  await runSql(
    database,
    `drop trigger ended_by_update on pilot; drop trigger ended_by_insert on pilot;
     drop function pilot_ended_by_update_fn; drop function pilot_ended_by_insert_fn; drop table pilot_ended;
     drop index pilot_active_by_vo; drop index pilot_ended_by_share; drop index pilot_over_capacity;
     create index pilot_by_vo_status on pilot (vo, status, ce_name)`,
  );
}

/** A database from the time when all migrations had one list. It has that list, a CE and an outcome. */
async function openFormer(applied: readonly string[]) {
  const url = await server.createUrl();
  const database = await openDatabase({ url, tables });
  await runSql(database, "drop table muster_migration_ledger, muster_migration_pilots");
  await runSql(
    database,
    "create table muster_migration (id serial primary key, name varchar(255) not null, executed_at timestamptz(6) not null default current_timestamp(6))",
  );
  for (const name of applied) {
    await runSql(
      database,
      `insert into muster_migration (name, executed_at) values ('${name}', '2026-01-02T03:04:05.000Z')`,
    );
  }
  await runSql(database, "drop table task_outbox, store_mark");
  await runSql(database, "drop function task_outbox_told_fn; drop index task_outcome_dead");
  await withoutCounts(database);
  if (!applied.includes("0002_ce_names")) {
    await runSql(database, "alter table compute_element drop constraint compute_element_name_check");
  }
  if (!applied.includes("0003_retry_messages")) {
    await runSql(database, "drop index task_outcome_retry");
    await runSql(database, "alter table task_outcome drop column message");
  }
  await runSql(database, "insert into compute_element (name, capacity, success_rate) values ('ce01', 3, 1)");
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors)
     values ('kept', 'MyPilotTask', 'lhcb', '', 1, 'done', 'null', '[]', '[]')`,
  );
  return { url, database };
}

const SINCE = ["ledger/0004_outbox", "ledger/0005_store_mark", "ledger/0006_year"];

for (const [applied, lacking] of [
  [ALL, [...SINCE, "pilots/0003_ended_pilots"]],
  [ALL.slice(0, 2), ["ledger/0003_retry_messages", ...SINCE, "pilots/0003_ended_pilots"]],
  [ALL.slice(0, 1), ["ledger/0003_retry_messages", ...SINCE, "pilots/0002_ce_names", "pilots/0003_ended_pilots"]],
] as const) {
  test(`a database with ${applied.length} of the migrations of the former list is taken over: none runs twice, and nothing is lost`, async (t) => {
    const { url, database } = await openFormer(applied);
    await using _closed = database;
    await t.throwsAsync(database.checkSchema(), { instanceOf: SchemaBehindError });
    const both = await Promise.all([migrate(url, { tables }), migrate(url, { tables })]);
    t.deepEqual(both.flat(), [...lacking]);
    await t.notThrowsAsync(database.checkSchema());
    await t.notThrowsAsync(database.requireMigrated());
    t.is(await database.orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }), "");
    t.like(await database.ledger.recall("kept"), { outcome: "done" });
    t.like((await database.transaction(listCes))[0], { name: "ce01", capacity: 3 });
    const taken = await runSql<{ name: string; at: Date }>(
      database,
      "select name, executed_at as at from muster_migration_pilots where name = '0001_tables'",
    );
    t.deepEqual(
      taken.map(({ name, at }) => [name, new Date(at).toISOString()]),
      [["0001_tables", "2026-01-02T03:04:05.000Z"]],
    );
  });
}

test("apps of the version before go on after the lists were split, and none of them starts anew", async (t) => {
  const { url, database } = await openFormer(ALL.slice(0, 1));
  await using _closed = database;
  await migrate(url, { tables });
  const rows = await runSql<{ name: string }>(database, "select name from muster_migration order by name");
  const names = rows.map(({ name }) => name);
  // These two checks were theirs: all of their migrations are in the list (readiness), and no other is (start).
  t.deepEqual(names.slice(0, 3), ALL);
  t.is(names.length, 4);
});

test("pilots that ended before anybody counted them are counted by the migration, and logins that may change pilots go on", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  const role = `app_${new URL(url).pathname.slice(1)}`;
  await withoutCounts(database);
  await runSql(
    database,
    `create role ${role}; grant select, insert, update on pilot to ${role};
     insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read)
     select 'ce01', 'lhcb', (array['SUBMITTED', 'RUNNING', 'DONE', 'FAILED'])[n % 4 + 1], 'p' || n, 0, 9 from generate_series(1, 10) n;
     delete from muster_migration_pilots where name = '0003_ended_pilots'`,
  );
  try {
    t.deepEqual(await migrate(url, { tables }), ["pilots/0003_ended_pilots"]);
    t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 2, RUNNING: 3, DONE: 3, FAILED: 2 });
    await database.transaction(async (to) => {
      await to.execute(`set local role ${role}`);
      await to.execute("update pilot set status = 'DONE' where status = 'RUNNING'");
    });
    t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 2, DONE: 6, FAILED: 2 });
  } finally {
    await runSql(database, `drop owned by ${role}; drop role ${role}`);
  }
});

/** A database as it was before names of CEs were in lower case, with these CEs. */
async function openBeforeLowerCase(...ceNames: readonly string[]) {
  const url = await server.createUrl();
  const database = await openDatabase({ url, tables });
  await runSql(database, "alter table compute_element drop constraint compute_element_name_check");
  await runSql(database, "delete from muster_migration_pilots where name = '0002_ce_names'");
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
  t.deepEqual(await migrate(url, { tables }), ["pilots/0002_ce_names"]);
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
  const error = await t.throwsAsync(migrate(url, { tables }), { instanceOf: CeNamesCollideError });
  t.deepEqual(error?.hosts, [["CE01.Example.ORG", "ce01.example.org"]]);
  t.regex(
    error?.message ?? "",
    /"CE01.Example.ORG" \(capacity 1\) and "ce01.example.org" \(capacity 2\) .*`muster migrate --keep-ce CE01.Example.ORG`/,
  );
  t.is((await database.transaction(listCes)).length, 3, "nothing was changed");
  await t.throwsAsync(migrate(url, { tables, settings: keepCes(["CE01.Example.ORG", "ce01.example.org"]) }), {
    instanceOf: CeNamesCollideError,
  });
  t.deepEqual(await migrate(url, { tables, settings: keepCes(["CE01.Example.ORG"]) }), ["pilots/0002_ce_names"]);
  t.deepEqual(
    (await database.transaction(listCes)).map(({ name, capacity, active }) => ({ name, capacity, active })),
    [
      { name: "ce01.example.org", capacity: 1, active: 2 },
      { name: "ce02", capacity: 3, active: 1 },
    ],
  );
});
