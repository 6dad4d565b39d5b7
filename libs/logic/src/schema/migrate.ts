import { Migrator } from "@mikro-orm/migrations";
import { MikroORM } from "@mikro-orm/postgresql";
import type { ClientBase } from "pg";
import { askOnce, CONNECT_TIMEOUT_MS, type ServerAddress } from "../database/ask_once.ts";
import { prepareConnection, requireNewEnough, VERSION_QUERY, type VersionRow } from "../database/server_version.ts";
import { entities } from "../entities/all.ts";
import { KEEP_SETTING } from "./m0002_ce_names.ts";
import { MIGRATION_TABLE, migrations } from "./migration_list.ts";

/** Any number that nobody else uses as an advisory lock in this database. */
const MIGRATION_LOCK = 7_130_226_051;
/** How long to wait for another migration, and for tables that are in use, ms. */
const LOCK_TIMEOUT_MS = 60_000;

/**
 * The first statement of each connection of the migrator's pool. So whatever it sends, it holds the lock, and a process
 * that dies lets it go when the server has ended its connection, which is after its transaction was rolled back.
 */
async function takeLock(client: ClientBase): Promise<void> {
  await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
}

/** What an operator decides about a migration. */
export interface MigrateOptions {
  /** Of CEs whose names differ by case only, those that stay. */
  readonly keepCes?: readonly string[];
}

/**
 * Brings the schema up to date, and answers the names of the migrations that it applied. All of them are one
 * transaction.
 *
 * Any number of processes may do it at once: one works, the others wait for it and find nothing left to do. The
 * database itself must exist. Throws `CeNamesCollideError`, `DatabaseGoneError`, `DatabaseTooOldError`, and what the server
 * reports.
 */
export async function migrate(url: string, { keepCes = [] }: MigrateOptions = {}): Promise<readonly string[]> {
  const address: ServerAddress = {
    connectionString: url,
    application_name: "muster migrate",
    options: `-c lock_timeout=${LOCK_TIMEOUT_MS}`,
  };
  requireNewEnough(await askOnce<VersionRow>(address, VERSION_QUERY));
  const orm = new MikroORM({
    entities,
    clientUrl: url,
    ensureDatabase: false,
    extensions: [Migrator],
    migrations: { migrationsList: [...migrations], tableName: MIGRATION_TABLE, snapshot: false, silent: true },
    // A single connection that is never given up, since the lock is held by it.
    driverOptions: {
      ...address,
      max: 1,
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      async onConnect(client: ClientBase) {
        await takeLock(client);
        await prepareConnection(client, 0);
        await client.query("select set_config($1, $2, false)", [KEEP_SETTING, JSON.stringify(keepCes)]);
      },
    },
  });
  try {
    const applied = await orm.migrator.up();
    return applied.map(({ name }) => name);
  } finally {
    await orm.close();
  }
}
