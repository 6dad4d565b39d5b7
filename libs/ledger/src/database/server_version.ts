import type { ClientBase } from "pg";
import { DatabaseTooOldError } from "./failures.ts";

/** The oldest major version of PostgreSQL that Muster is tried with. */
export const OLDEST_POSTGRES = 14;

/** The first question on a connection: the server's version. */
export const VERSION_QUERY = "select current_setting('server_version_num')::int as version";

export interface VersionRow {
  /** E.g. 180004 for 18.4. */
  readonly version: number;
}

/** Throws {@linkcode DatabaseTooOldError}. */
export function requireNewEnough(rows: readonly VersionRow[]): void {
  const version = rows[0]?.version ?? 0;
  if (version < OLDEST_POSTGRES * 10_000) throw new DatabaseTooOldError(version, OLDEST_POSTGRES);
}

/** The limits of a connection that the session enforces itself, because its server has no `transaction_timeout`. */
export interface OwnLimit {
  /** Longest transaction, and longest statement outside of one, ms. */
  readonly transactionMs: number;
  /** The statement_timeout that the server or the URL sets, ms; 0: none. */
  readonly statementMs: number;
}

interface PreparedRow extends VersionRow {
  readonly limited: boolean;
  readonly statementMs: number;
}

/** The limits of open connections. `prepareConnection` writes them, `ownLimitOf` reads them. */
const ownLimits = new WeakMap<ClientBase, OwnLimit>();

/** The limits that the session enforces itself; undefined where the server enforces them. */
export function ownLimitOf(client: ClientBase): OwnLimit | undefined {
  return ownLimits.get(client);
}

/**
 * Asks the first question of a connection, and sets its `transaction_timeout`. PostgreSQL has that from version 17 on.
 *
 * On an older server it bounds each statement instead, and {@linkcode ownLimitOf} returns the limit. 0 stands for no
 * limit.
 *
 * Throws {@linkcode DatabaseTooOldError}.
 */
export async function prepareConnection(client: ClientBase, transactionTimeoutMs: number): Promise<void> {
  const { rows } = await client.query<PreparedRow>(
    `select current_setting('server_version_num')::int as version,
       (select set_config(name, '${transactionTimeoutMs}', false) from pg_settings where name = 'transaction_timeout')
         is not null as limited,
       (select setting::int from pg_settings where name = 'statement_timeout') as "statementMs"`,
  );
  requireNewEnough(rows);
  const { limited, statementMs } = rows[0] ?? { limited: true, statementMs: 0 };
  if (limited || transactionTimeoutMs === 0) return;
  ownLimits.set(client, { transactionMs: transactionTimeoutMs, statementMs });
  if (statementMs > 0 && statementMs <= transactionTimeoutMs) return;
  await client.query(`set statement_timeout = ${transactionTimeoutMs}`);
}
