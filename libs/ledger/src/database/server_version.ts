import type { ClientBase } from "pg";
import { DatabaseGoneError, DatabaseTooOldError } from "./failures.ts";
import { POOLER_ADVICE } from "./refusals.ts";

/** The oldest major version of PostgreSQL that Muster is tried with. */
export const OLDEST_POSTGRES = 14;

/** An option of each connection that means nothing to the server. It is there only where nobody between us and the server drops options. */
export const DIRECT_OPTION = "-c muster.direct=on";

/** The first question on a connection: the server's version, and whether our options have reached it. */
export const VERSION_QUERY = `select current_setting('server_version_num')::int as version,
  current_setting('muster.direct', true) as direct`;

export interface VersionRow {
  /** E.g. 180004 for 18.4. */
  readonly version: number;
  /** `on` where our options have reached the server. */
  readonly direct: string | null;
}

/** Throws {@linkcode DatabaseTooOldError}, and {@linkcode DatabaseGoneError} where a pooler has dropped our options. */
export function requireUsable(rows: readonly VersionRow[]): void {
  const version = rows[0]?.version ?? 0;
  if (version < OLDEST_POSTGRES * 10_000) throw new DatabaseTooOldError(version, OLDEST_POSTGRES);
  if (rows[0]?.direct === "on") return;
  const found = "a pooler between us and PostgreSQL has dropped the settings of this connection";
  throw new DatabaseGoneError("use the database", new Error(found), { advice: POOLER_ADVICE });
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
 * Throws as {@linkcode requireUsable} does.
 */
export async function prepareConnection(client: ClientBase, transactionTimeoutMs: number): Promise<void> {
  const { rows } = await client.query<PreparedRow>(
    `${VERSION_QUERY},
       (select set_config(name, '${transactionTimeoutMs}', false) from pg_settings where name = 'transaction_timeout')
         is not null as limited,
       (select setting::int from pg_settings where name = 'statement_timeout') as "statementMs"`,
  );
  requireUsable(rows);
  const { limited, statementMs } = rows[0] ?? { limited: true, statementMs: 0 };
  if (limited || transactionTimeoutMs === 0) return;
  ownLimits.set(client, { transactionMs: transactionTimeoutMs, statementMs });
  if (statementMs > 0 && statementMs <= transactionTimeoutMs) return;
  await client.query(`set statement_timeout = ${transactionTimeoutMs}`);
}
