import { Migration } from "@mikro-orm/migrations";
import test from "ava";
import { type Database, openDatabase } from "../open_database.ts";
import { claim, outcome, runSql, startTestServer, untilRow } from "../testing/mod.ts";
import { putShelf, shelfTables } from "../testing/shelf_tables.ts";
import { migrate } from "./migrate.ts";
import type { TableSet } from "./table_set.ts";
import { TablesInUseError } from "./take_tables.ts";

const tables = [shelfTables];
const server = await startTestServer({ tables });
test.after.always(() => server[Symbol.asyncDispose]());

/** Takes the last migration of the ledger and the second one of shelves back. */
async function stepBack(database: Database): Promise<void> {
  await runSql(database, "drop index task_outcome_dead");
  await runSql(database, "delete from muster_migration_ledger where name = '0006_year'");
  await runSql(database, "alter table shelf drop column labels");
  await runSql(database, "delete from muster_migration_shelf where name = '0002_labels'");
}

/** Resolves once the migration has waited for tables, and may wait or pause just now. */
const untilTried = (database: Database) =>
  untilRow(
    database,
    `select from pg_stat_activity where datname = current_database() and application_name = 'muster migrate'
     and (wait_event_type = 'Lock' or query ~ 'lock table|savepoint tables')`,
  );

test("a migration waits for a task that writes its tables in another order, and both succeed", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  await stepBack(database);
  const run = database.ledger.open(claim("t1"));
  await (await run.transaction()).execute(putShelf("s1"));
  const migrated = migrate(url, { tables });
  await untilTried(database);
  // The run wants the ledger's table last. The migration of the ledger comes first.
  await run.commit(outcome("t1"));
  t.deepEqual(await migrated, ["ledger/0006_year", "shelf/0002_labels"]);
  t.deepEqual(await runSql(database, "select name from shelf"), [{ name: "s1" }]);
});

/** Locks of the table, of all processes that use this database: one of another database may have the same number. */
const LOCKS = `select from pg_locks join pg_stat_activity using (pid)
  where relation = 'shelf'::regclass and datname = current_database()`;

class TakeTwice extends Migration {
  override up(): void {
    this.addSql("lock table shelf in share row exclusive mode");
    // Only a reader that wants to write can wait here, if the table was not taken before.
    this.addSql(
      `do $$ begin while not exists (${LOCKS} and not granted) loop` +
        ` exit when not exists (${LOCKS} and pid <> pg_backend_pid());` +
        " perform pg_sleep(0.01); end loop; end; $$",
    );
    this.addSql("alter table shelf drop column labels");
  }
}

test("a migration that takes a table more strongly later waits for a reader that is about to write", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  const later: TableSet = {
    ...shelfTables,
    migrations: [...shelfTables.migrations, { name: "0003_twice", class: TakeTwice }],
  };
  const run = database.ledger.open(claim("t1"));
  const transaction = await run.transaction();
  await transaction.execute("select from shelf");
  const migrated = migrate(url, { tables: [later] });
  await untilRow(database, `${LOCKS} and application_name = 'muster migrate'`);
  await transaction.execute(putShelf("s1"));
  await run.commit(outcome("t1"));
  t.deepEqual(await migrated, ["shelf/0003_twice"]);
  t.deepEqual(await runSql(database, "select name from shelf"), [{ name: "s1" }]);
});

test("a migration whose tables stay in use names who uses them, and has changed nothing", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  await stepBack(database);
  const run = database.ledger.open(claim("t1"));
  await (await run.transaction()).execute(putShelf("s1"));
  const error = await t.throwsAsync(migrate(url, { tables, patienceMs: 600 }), { instanceOf: TablesInUseError });
  t.regex(error?.message ?? "", /in use for \d+ s by process \d+ of ".*", idle in transaction since 20\d\d-/);
  await run.rollback();
  t.deepEqual(await migrate(url, { tables }), ["ledger/0006_year", "shelf/0002_labels"]);
});

test("who has nothing to migrate waits for nobody", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  const run = database.ledger.open(claim("t1"));
  await (await run.transaction()).execute(putShelf("s1"));
  t.deepEqual(await migrate(url, { tables, patienceMs: 0 }), []);
  await run.rollback();
});

test("a second migration waits for the first one as long as it takes", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url, tables });
  await stepBack(database);
  const run = database.ledger.open(claim("t1"));
  await (await run.transaction()).execute(putShelf("s1"));
  const first = migrate(url, { tables });
  await untilTried(database);
  const second = migrate(url, { tables, patienceMs: 0 });
  await untilRow(
    database,
    "select from pg_stat_activity where datname = current_database() and application_name = 'muster migrate' and query ~ 'pg_try_advisory_lock'",
  );
  await run.rollback();
  t.deepEqual([await first, await second].flat(), ["ledger/0006_year", "shelf/0002_labels"]);
});
