// Tested by tests/src/thread/ledger_test.ts
import { MikroORM } from "@mikro-orm/postgresql";
import type { QueryResult, QueryResultRow } from "pg";
import { beginOn } from "../database/begin_on.ts";
import type { OneConnection } from "../database/one_connection.ts";
import type { Orm, Transaction } from "../database/transaction.ts";
import { withLedger } from "../schema/ledger_tables.ts";
import type { TableSet } from "../schema/table_set.ts";
import { arrivedRow, crossingParameter, type Statement, type StatementAnswer } from "../database/statement.ts";

/** Sends a statement to the worker's own thread, and returns what comes back. */
type Ask = (question: unknown) => Promise<unknown>;

/** What is left of a transaction in a thread: an entity manager, whose statements run in the worker's own thread. */
export interface ThreadTransaction {
  /** Returns the transaction, which has begun in the worker's own thread. */
  transaction(): Promise<Transaction>;
  /** Sends what the entity manager still holds. */
  flush(): Promise<void>;
}

/** The ledger of a thread that runs tasks. It has no connection: that is the worker's, with the outcomes and the end of the transaction. */
export interface ThreadLedger {
  /** Returns the transaction of one run, whose statements `ask` sends. */
  open(ask: Ask): ThreadTransaction;
}

/** MikroORM wants an address. Nothing is ever sent there: each run has the connection of its worker. */
const NO_ADDRESS = "postgres://in-a-thread.invalid/none";

/** The connection of a run, as its thread sees it. It has begun, and its owner ends it. */
function connectionThrough(ask: Ask): OneConnection {
  return {
    begin: async () => {},
    async query<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      const statement: Statement = { sql, parameters: values.map(crossingParameter) };
      const { command, rowCount, rows } = (await ask(statement)) as StatementAnswer;
      return { command, rowCount, rows: rows.map((row) => arrivedRow(row) as Row), oid: 0, fields: [] };
    },
  };
}

/**
 * Opens the ledger of a thread that runs tasks, for `serveTasks` of `@muster/tasks/thread`. `tables` are the sets of tables whose entities the
 * tasks use, as for `openDatabase`. Throws `TypeError` for sets that cannot be in one database.
 *
 * ```ts
 * serveTasks({ tasks: [GreetTask], ledger: openThreadLedger({ tables: [siteTables] }) });
 * ```
 */
export function openThreadLedger({ tables = [] }: { readonly tables?: readonly TableSet[] } = {}): ThreadLedger {
  const orm: Orm = new MikroORM({
    entities: withLedger(tables).flatMap(({ entities }) => [...entities]),
    clientUrl: NO_ADDRESS,
    ensureDatabase: false, // it would connect at once
  });
  return {
    open(ask) {
      let begun: Promise<Transaction> | undefined;
      return {
        transaction: () => (begun ??= beginOn(orm, connectionThrough(ask))),
        async flush() {
          if (begun !== undefined) await (await begun).flush();
        },
      };
    },
  };
}
