import { setTimeout as delay } from "node:timers/promises";
import { sqlStateOf } from "../database/failures.ts";

/** Runs statements in one transaction. `?` stands for a value. */
export type Execute = (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

/** Longest wait of the first try, ms. It is below PostgreSQL's `deadlock_timeout`, so that the migration gives way, and no task. */
const FIRST_TRY_MS = 500;
/** Time between two tries, in which tasks go on, ms. */
const PAUSE_MS = 200;
/** PostgreSQL's codes for a lock that was not granted in time, and for a deadlock. */
const BUSY_STATES: readonly (string | undefined)[] = ["55P03", "40P01"];
/** Tables that a run takes first and last, whatever lies between. In the same order nobody waits in a circle. */
const FIRST_OF_RUN = "lock_fence";
const LAST_OF_RUN = "task_outcome";

/** Somebody has used tables for so long that a migration could not begin. Nothing was changed. */
export class TablesInUseError extends Error {
  override readonly name = "TablesInUseError";
  constructor(waitedMs: number, users: readonly string[]) {
    const by = users.length === 0 ? "transactions that have ended since" : users.join(", and by ");
    const advice = "end those that may be ended with `select pg_terminate_backend(<pid>)`, and migrate again";
    super(
      `Cannot migrate the database: its tables were in use for ${Math.round(waitedMs / 1000)} s by ${by}; ${advice}`,
    );
  }
}

const EXISTING = `
select relname as "table", quote_ident(nspname) || '.' || quote_ident(relname) as "name"
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where pg_class.oid in (select to_regclass(quote_ident(wanted)) from jsonb_array_elements_text(?::jsonb) wanted) and relkind in ('r', 'p')`;

const USERS = `
select distinct pid, application_name as "application", state, xact_start,
  to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
from pg_locks join pg_stat_activity using (pid)
where relation in (select to_regclass(name) from jsonb_array_elements_text(?::jsonb) name) and granted and pid <> pg_backend_pid()
  and pg_locks.database = (select oid from pg_database where datname = current_database())
order by xact_start limit 3`;

function rankOf(table: unknown): number {
  if (table === FIRST_OF_RUN) return 0;
  return table === LAST_OF_RUN ? 2 : 1;
}

/**
 * Takes the tables of `tables` that exist, in this transaction and for it alone, so that no later statement of it waits for anybody.
 *
 * A migration that takes a table late, or takes it more strongly than before, would wait for a task that waits for the migration. PostgreSQL
 * would then end the migration, which has waited for a shorter time. While tables are in use the tries get longer, so that
 * many long transactions that overlap are waited for, too.
 *
 * Throws {@linkcode TablesInUseError} after `patienceMs`.
 */
export async function takeTables(execute: Execute, tables: readonly string[], patienceMs: number): Promise<void> {
  const found = await execute(EXISTING, [JSON.stringify(tables)]);
  const names = found.toSorted((a, b) => rankOf(a["table"]) - rankOf(b["table"])).map(({ name }) => String(name));
  if (names.length === 0) return;
  const begun = performance.now();
  for (let tryMs = FIRST_TRY_MS; !(await tryOnce(execute, names, tryMs)); tryMs *= 2) {
    const waitedMs = performance.now() - begun;
    if (waitedMs + tryMs > patienceMs) throw new TablesInUseError(waitedMs, await usersOf(execute, names));
    await delay(PAUSE_MS);
  }
  await execute("select set_config('lock_timeout', ?, true)", [`${patienceMs}`]);
}

async function tryOnce(execute: Execute, names: readonly string[], tryMs: number): Promise<boolean> {
  await execute("savepoint tables");
  try {
    await execute("select set_config('lock_timeout', ?, true)", [`${tryMs}`]);
    await execute(`lock table ${names.join(", ")} in access exclusive mode`);
    return true;
  } catch (error) {
    if (!BUSY_STATES.includes(sqlStateOf(error))) throw error;
    await execute("rollback to savepoint tables");
    return false;
  }
}

async function usersOf(execute: Execute, names: readonly string[]): Promise<readonly string[]> {
  const rows = await execute(USERS, [JSON.stringify(names)]);
  return rows.map(
    ({ pid, application, state, since }) => `process ${pid} of "${application}", ${state} since ${since}`,
  );
}
