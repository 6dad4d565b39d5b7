import { MikroORM } from "@mikro-orm/postgresql";
import type { ClientBase } from "pg";
import { askOnce, connectTimeoutMs, onOneConnection, type ServerAddress } from "./database/ask_once.ts";
import { Connections } from "./database/connections.ts";
import { asForbidden } from "./database/failures.ts";
import { frequent } from "./database/frequent_statements.ts";
import { whoIs } from "./database/refusals.ts";
import {
  DIRECT_OPTION,
  prepareConnection,
  requireUsable,
  VERSION_QUERY,
  type VersionRow,
} from "./database/server_version.ts";
import type { Orm, Transaction } from "./database/transaction.ts";
import type { DatabaseTracing } from "./database/tracing.ts";
import { type Ledger, openLedger } from "./ledger/ledger.ts";
import { listenToOutbox, type OutboxListener } from "./outbox/outbox_listener.ts";
import type { Query } from "./schema/applied.ts";
import { inspectSchema } from "./schema/check_schema.ts";
import { withLedger } from "./schema/ledger_tables.ts";
import { requireMigrated } from "./schema/require_migrated.ts";
import type { TableSet } from "./schema/table_set.ts";

/** Which database, and how it is used. */
export interface DatabaseOptions {
  /** `postgres://user:password@host:port/name`. With `?connect_timeout=30` a connection is waited for 30 s in place of 5 s. */
  readonly url: string;
  /** Sets of tables beside the ledger's own, whose entities transactions know. Default: none. */
  readonly tables?: readonly TableSet[];
  /** Most connections; default 10, and 1 works. */
  readonly poolSize?: number;
  /**
   * Longest pause between two statements of a transaction, ms; default 15,000, the TTL of a lease. After it the server
   * ends the transaction and its connection.
   */
  readonly idleInTransactionTimeoutMs?: number;
  /**
   * Longest transaction, ms; default 600,000, the longest timeout of a task. After it the server ends the transaction
   * and its connection.
   */
  readonly transactionTimeoutMs?: number;
  /** Name of the connections in `pg_stat_activity`; default `muster`. */
  readonly applicationName?: string;
  /** Called for trouble that ends by itself, such as a lost idle connection. Default: it is ignored. */
  readonly note?: (message: string, cause: unknown) => void;
  /** Makes the spans of transactions and statements. Default: there are none. */
  readonly tracing?: DatabaseTracing | undefined;
}

/** The database of one process. It connects at the first use, and makes a lost connection anew. */
export interface Database extends AsyncDisposable {
  readonly orm: Orm;
  /** The transactions and outcomes of tasks. */
  readonly ledger: Ledger;
  /**
   * Runs `work` in a transaction outside any task: for operators, views and sweepers. Commits, or rolls back and throws
   * the error of `work`.
   *
   * If the connection is lost during the COMMIT, it stays open whether the work is done. Throws
   * `DatabaseForbiddenError` for a missing right.
   */
  transaction<Answer>(work: (transaction: Transaction) => Promise<Answer>): Promise<Answer>;
  /**
   * Resolves when the server answers, within 10 s. It uses a connection of its own: a pool without a free connection
   * does not mean a dead server. Throws `DatabaseGoneError` and `DatabaseTooOldError`.
   */
  ping(): Promise<void>;
  /**
   * Resolves if each set's list of migrations is the one that this program was written for. Throws `SchemaBehindError`,
   * `SchemaAheadError`, `DatabaseGoneError` and `DatabaseTooOldError`.
   */
  requireMigrated(): Promise<void>;
  /**
   * Resolves if the server answers, and all tables of all sets exist and may be used. It uses a connection of its own,
   * as `ping` does. Throws `DatabaseGoneError`, `DatabaseReadOnlyError`, `SchemaBehindError` and `SchemaDamagedError`.
   */
  checkSchema(): Promise<void>;
  /**
   * Hears of each commit that puts tasks into the outbox, on a connection of its own that the caller closes. Throws
   * `DatabaseGoneError` and `DatabaseTooOldError`.
   */
  listenToOutbox(): Promise<OutboxListener>;
  /** Destroys what is still open and closes all connections. */
  close(): Promise<void>;
}

/** The address, and the settings that every server knows. A setting in the URL itself wins. */
function addressOf(options: DatabaseOptions): ServerAddress {
  const { idleInTransactionTimeoutMs = 15_000, applicationName = "muster" } = options;
  const url = new URL(options.url);
  const ofUrl = url.searchParams.get("options") ?? "";
  url.searchParams.delete("options");
  return {
    connectionString: url.href,
    application_name: applicationName,
    options: `${ofUrl} ${DIRECT_OPTION} -c idle_in_transaction_session_timeout=${idleInTransactionTimeoutMs}`.trim(),
  };
}

function queryOn(client: {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}): Query {
  return async (text, values) => (await client.query(text, [...values])).rows;
}

async function inTransaction<Answer>(
  connections: Connections,
  work: (transaction: Transaction) => Promise<Answer>,
): Promise<Answer> {
  const session = await connections.open();
  try {
    const transaction = await connections.begin(session);
    const answer = await work(transaction);
    await transaction.flush();
    await session.commit();
    return answer;
  } catch (error) {
    await session.rollback();
    throw error;
  }
}

/** Runs `work`. Throws `DatabaseForbiddenError` where the server says that a right is missing. */
async function granted<Answer>(address: ServerAddress, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    const advice = "grant that right, or use the login that ran `muster migrate`";
    throw asForbidden(error, `use the database as ${whoIs(address)}`, advice);
  }
}

/**
 * Opens the database for one process, as in `await using database = await openDatabase({ url })`.
 *
 * Does not connect, so it works while the server is down. Throws `TypeError` for a text that is not a URL, and for sets
 * of tables that cannot be in one database.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { tables = [], transactionTimeoutMs = 600_000, note = () => {} } = options;
  const sets = withLedger(tables);
  for (const text of sets.flatMap((set) => set.frequent ?? [])) frequent(text);
  const address = addressOf(options);
  const orm: Orm = new MikroORM({
    entities: sets.flatMap(({ entities }) => [...entities]),
    clientUrl: options.url,
    ensureDatabase: false, // it would connect at once
    driverOptions: {
      ...address,
      max: options.poolSize ?? 10,
      idleTimeoutMillis: 30_000,
      connectionTimeoutMillis: connectTimeoutMs(options.url),
      // A session sends some statements without waiting for the answers to those before.
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      onConnect: (client: ClientBase) => prepareConnection(client, transactionTimeoutMs),
    },
  });
  const pool = await orm.driver.getConnection().getNativeClient();
  const connections = new Connections({ orm, pool, address, note, tracing: options.tracing });

  async function close(): Promise<void> {
    await connections.destroyOpen();
    await orm.close();
    // MikroORM ends its pool only if it has used it.
    if (!pool.ending) await pool.end();
  }

  async function checkSchema(): Promise<void> {
    const problem = await onOneConnection(address, (client) => inspectSchema(queryOn(client), sets));
    if (problem !== undefined) throw problem;
  }

  return {
    orm,
    ledger: openLedger(connections, { transactionTimeoutMs, check: checkSchema, tracing: options.tracing }),
    transaction: (work) => granted(address, () => inTransaction(connections, work)),
    ping: async () => requireUsable(await askOnce<VersionRow>(address, VERSION_QUERY)),
    requireMigrated: () =>
      granted(address, () => connections.use((session) => requireMigrated(queryOn(session), sets))),
    checkSchema,
    listenToOutbox: () => listenToOutbox(address),
    close,
    [Symbol.asyncDispose]: close,
  };
}
