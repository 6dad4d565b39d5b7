import { Migrator } from "@mikro-orm/migrations";
import { MikroORM, type Transaction } from "@mikro-orm/postgresql";
import { setTimeout as pause } from "node:timers/promises";
import type { ClientBase } from "pg";
import { askOnce, connectTimeoutMs, type ServerAddress } from "../database/ask_once.ts";
import { asForbidden } from "../database/failures.ts";
import { whoIs } from "../database/refusals.ts";
import {
  DIRECT_OPTION,
  prepareConnection,
  requireUsable,
  VERSION_QUERY,
  type VersionRow,
} from "../database/server_version.ts";
import type { Orm } from "../database/transaction.ts";
import { type ExecuteAlone, makeIndex, makeIndexesAhead } from "./indexes_ahead.ts";
import { withLedger } from "./ledger_tables.ts";
import { FORMER_LIST, fullName, type LargeIndex, listOf, type TableSet } from "./table_set.ts";
import { type Execute, takeTables } from "./take_tables.ts";

/** Key of the migrations' advisory lock in this database: an arbitrary number that nobody else uses. */
const MIGRATION_LOCK = 7_130_226_051;
/** Pause between two tries to begin while another migration works, ms. */
const LOCK_ASKED_EVERY_MS = 100;
/** Longest wait for tables that are in use, ms. */
const PATIENCE_MS = 60_000;
/** Entry of the former list. It tells programs that know only that list that a newer version has migrated. */
const NEWER = "0004_lists_of_sets";

/**
 * Runs as the first statement of each connection of the migrator's pool, so every statement of the migrator holds the
 * lock. It waits for another migration as long as that works, which may take minutes.
 *
 * It asks again and again, since a statement that waits has a snapshot. The making of an index would wait for that one, and it for the index.
 *
 * If the process dies, the lock is free when the server has ended its connection. By then its transaction is rolled
 * back.
 */
async function takeLock(client: ClientBase): Promise<void> {
  // A login's own limits are meant for small questions, and a migration of a large table takes minutes.
  await client.query("set lock_timeout = 0; set statement_timeout = 0");
  const ask = "select pg_try_advisory_lock($1) as taken";
  while (!(await client.query<{ taken: boolean }>(ask, [MIGRATION_LOCK])).rows[0]?.taken)
    await pause(LOCK_ASKED_EVERY_MS);
}

/** What is migrated, and by which decisions. */
export interface MigrateOptions {
  /** Sets of tables beside the ledger's own, in the order in which they are migrated. Default: none. */
  readonly tables?: readonly TableSet[];
  /** Settings of the session, by name, with an operator's decisions about a migration. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Longest wait for tables that are in use, ms. Default: 60,000. */
  readonly patienceMs?: number;
}

function openOrm(url: string, sets: readonly TableSet[], prepare: (client: ClientBase) => Promise<void>): Orm {
  return new MikroORM({
    entities: sets.flatMap(({ entities }) => [...entities]),
    clientUrl: url,
    ensureDatabase: false,
    // A single connection that is never closed while idle, since it holds the lock.
    driverOptions: {
      ...addressOf(url),
      max: 1,
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: connectTimeoutMs(url),
      onConnect: prepare,
    },
  });
}

function addressOf(url: string): ServerAddress {
  const parsed = new URL(url);
  const ofUrl = parsed.searchParams.get("options") ?? "";
  parsed.searchParams.delete("options");
  return {
    connectionString: parsed.href,
    application_name: "muster migrate",
    options: `${ofUrl} ${DIRECT_OPTION}`.trim(),
  };
}

/**
 * Makes MikroORM's migrator of one set. It makes the set's list at once, since it cannot when the transaction has the
 * connection.
 */
async function openMigrator(orm: Orm, set: TableSet): Promise<Migrator> {
  orm.config.set("migrations", {
    ...orm.config.get("migrations"),
    migrationsList: [...set.migrations],
    tableName: listOf(set),
    snapshot: false,
    silent: true,
  });
  const migrator = new Migrator(orm.em);
  await migrator.getExecuted();
  return migrator;
}

async function hasFormerList(execute: Execute): Promise<boolean> {
  const [row] = await execute("select to_regclass(?) is not null as there", [FORMER_LIST]);
  return row?.["there"] === true;
}

/** Copies the migrations of the former list to each set's list, so that none runs twice. */
async function takeOver(execute: Execute, sets: readonly TableSet[]): Promise<void> {
  for (const set of sets) {
    const list = listOf(set);
    for (const name of set.inFormerList ?? []) {
      await execute(
        `insert into ${list} (name, executed_at) select name, executed_at from ${FORMER_LIST}
         where name = ? and not exists (select from ${list} where name = ?) order by id limit 1`,
        [name, name],
      );
    }
  }
}

/** The tables of each set that has something to migrate. */
async function tablesToMigrate(execute: Execute, sets: readonly TableSet[]): Promise<readonly string[]> {
  const tables: string[] = [];
  for (const set of sets) {
    const applied = new Set((await execute(`select name from ${listOf(set)}`)).map(({ name }) => name));
    if (set.migrations.every(({ name }) => applied.has(name))) continue;
    tables.push(...set.entities.map(({ meta }) => meta.tableName));
  }
  return tables;
}

/** Writes to the former list what older programs look for: running ones go on, and none starts anew. */
async function noteForOlder(execute: Execute, sets: readonly TableSet[]): Promise<void> {
  for (const name of new Set([...sets.flatMap(({ inFormerList = [] }) => inFormerList), NEWER])) {
    await execute(
      `insert into ${FORMER_LIST} (name) select ? where not exists (select from ${FORMER_LIST} where name = ?)`,
      [name, name],
    );
  }
}

/**
 * Brings the tables of all sets up to date, the ledger's first. Returns the names of the migrations that it applied, as
 * `set/migration`. All of them are one transaction. Before it, indexes on tables that are there are made one by one, so that nobody who
 * writes waits for them.
 *
 * Any number of processes may call it at once: one works, and the others wait and find nothing left to do. The database
 * itself must exist.
 *
 * Apps may run meanwhile. A task that uses a table of a set with something to migrate waits until the end of it.
 *
 * Throws `DatabaseGoneError`, `DatabaseTooOldError`, `DatabaseForbiddenError`, `TablesInUseError`, and what a migration or the server
 * reports. Throws `TypeError` for sets that cannot be in one database.
 */
export async function migrate(
  url: string,
  { tables = [], settings = {}, patienceMs = PATIENCE_MS }: MigrateOptions = {},
): Promise<readonly string[]> {
  const sets = withLedger(tables);
  requireUsable(await askOnce<VersionRow>(addressOf(url), VERSION_QUERY));
  const orm = openOrm(url, sets, async (client) => {
    await takeLock(client);
    await prepareConnection(client, 0);
    for (const setting of Object.entries(settings)) await client.query("select set_config($1, $2, false)", setting);
  });
  try {
    const migrators: (readonly [TableSet, Migrator])[] = [];
    for (const set of sets) migrators.push([set, await openMigrator(orm, set)]);
    await makeIndexesAhead(executeAlone(orm), await indexesToCome(migrators));
    return await orm.em
      .getConnection()
      .transactional((transaction) => migrateAll(orm, migrators, { transaction, patienceMs }));
  } catch (error) {
    const advice = "grant that right, or run `muster migrate` with the login that the database belongs to";
    throw asForbidden(error, `migrate the database as ${whoIs(addressOf(url))}`, advice);
  } finally {
    await orm.close();
  }
}

function executeAlone(orm: Orm): ExecuteAlone {
  return (text, values = []) => orm.em.getConnection().execute<Record<string, unknown>[]>(text, [...values]);
}

/** The indexes of all migrations that are not in their set's list. */
async function indexesToCome(migrators: readonly (readonly [TableSet, Migrator])[]): Promise<readonly LargeIndex[]> {
  const indexes: LargeIndex[] = [];
  for (const [{ migrations }, migrator] of migrators) {
    const pending = new Set((await migrator.getPending()).map(({ name }) => name));
    for (const migration of migrations) if (pending.has(migration.name)) indexes.push(...(migration.indexes ?? []));
  }
  return indexes;
}

async function migrateAll(
  orm: Orm,
  migrators: readonly (readonly [TableSet, Migrator])[],
  { transaction, patienceMs }: { transaction: Transaction; patienceMs: number },
): Promise<readonly string[]> {
  const execute: Execute = (text, values = []) =>
    orm.em.getConnection().execute<Record<string, unknown>[]>(text, [...values], "all", transaction);
  const sets = migrators.map(([set]) => set);
  const former = await hasFormerList(execute);
  if (former) await takeOver(execute, sets);
  await takeTables(execute, await tablesToMigrate(execute, sets), patienceMs);
  const applied: string[] = [];
  for (const [set, migrator] of migrators) {
    const names = new Set((await migrator.up({ transaction })).map(({ name }) => name));
    for (const name of names) applied.push(fullName(set, name));
    for (const { name, indexes = [] } of set.migrations)
      if (names.has(name)) for (const index of indexes) await execute(makeIndex(index));
  }
  if (former) await noteForOlder(execute, sets);
  return applied;
}
