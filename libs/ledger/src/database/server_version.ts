import type { ClientBase } from "pg";
import { DatabaseTooOldError } from "./failures.ts";

/** The oldest major version of PostgreSQL that Muster is tried with. */
export const OLDEST_POSTGRES = 14;

/** What a server says of itself before anything else is asked of it. */
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

/** The limits of a connection whose server has no `transaction_timeout`, so that the session sees to them. */
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

/** What has been found out about open connections. */
const ownLimits = new WeakMap<ClientBase, OwnLimit>();

/** The limits that the session has to see to; undefined where the server does. */
export function ownLimitOf(client: ClientBase): OwnLimit | undefined {
  return ownLimits.get(client);
}

/**
 * The first statement of a connection. Gives it `transaction_timeout` where the server knows that, which is from PostgreSQL 17 on. On an
 * older one it bounds each statement, and {@linkcode ownLimitOf} has the limit then. 0 stands for no limit.
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
