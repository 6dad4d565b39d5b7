import test from "ava";
import { openDatabase } from "../open_database.ts";
import { claim, outcome, runSql, startTestServer, untilRow, untilWaiting } from "../testing/mod.ts";
import { migrate } from "./migrate.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** A database before migration 6 of the ledger, and a transaction in it that has written an outcome and stays open. */
async function openBusy() {
  const url = await server.createUrl();
  const database = await openDatabase({ url });
  await runSql(database, "drop index task_outcome_dead");
  await runSql(database, "delete from muster_migration_ledger where name = '0006_year'");
  const open = database.ledger.open(claim("long"));
  await (await open.transaction()).execute(
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors)
     values ('long', 'A', 'lhcb', '', 1, 'dead', 'null', '[]', '[]')`,
  );
  return { url, database, open };
}

/** Locks that the migration has or waits for on the table that tasks write. */
const LOCKS = `select distinct mode from pg_locks join pg_stat_activity using (pid)
  where application_name = 'muster migrate' and relation = 'task_outcome'::regclass and datname = current_database()`;
const VALIDITY = "select indisvalid as valid from pg_index where indexrelid = to_regclass('task_outcome_dead')";

test("while an index of a full table is made, tasks go on to record their outcomes", async (t) => {
  const { url, database, open } = await openBusy();
  await using _closed = database;
  const migrating = migrate(url);
  await untilWaiting(database);
  t.deepEqual(await runSql(database, LOCKS), [{ mode: "ShareUpdateExclusiveLock" }], "others may write");
  await database.transaction(async (to) => {
    // Nothing here waits for a lock. A writer that waited for the migration would wait for the open transaction as well.
    await to.execute("set local lock_timeout = '2s'");
    await to.execute("update task_outcome set settled_at = now() where task_id = 'none'");
  });
  await database.ledger.record(outcome("meanwhile"));
  t.is((await database.ledger.recall("meanwhile"))?.outcome, "done");
  await open.rollback();
  t.deepEqual(await migrating, ["ledger/0006_year"]);
  t.deepEqual(await runSql(database, VALIDITY), [{ valid: true }]);
});

test("an index whose making was broken off is made anew by the next migration", async (t) => {
  const { url, database, open } = await openBusy();
  await using _closed = database;
  const migrating = t.throwsAsync(migrate(url), { message: /terminat/ });
  await untilWaiting(database);
  await runSql(
    database,
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'create index concurrently%'",
  );
  await migrating;
  await open.rollback();
  await untilRow(database, `${VALIDITY} and not indisvalid`);
  t.deepEqual(await migrate(url), ["ledger/0006_year"]);
  t.deepEqual(await runSql(database, VALIDITY), [{ valid: true }]);
  t.is(await database.orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }), "");
});

test("an index that was made ahead is not made again by its migration, and a migration alone makes it", async (t) => {
  const { url, database, open } = await openBusy();
  await using _closed = database;
  await open.rollback();
  await runSql(database, "create index task_outcome_dead on task_outcome (settled_at) where outcome = 'dead'");
  const made = () => runSql(database, "select to_regclass('task_outcome_dead')::oid as made");
  const before = await made();
  t.deepEqual(await migrate(url), ["ledger/0006_year"]);
  t.deepEqual(await made(), before);
});
