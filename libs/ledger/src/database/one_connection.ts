import {
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { Session } from "./session.ts";

/** A connection on which the statements of one transaction run. */
export type OneConnection = Pick<Session, "query" | "begin">;

function connectionOf(session: OneConnection): DatabaseConnection {
  return {
    async executeQuery<Row>({
      sql,
      parameters,
    }: {
      sql: string;
      parameters: readonly unknown[];
    }): Promise<QueryResult<Row>> {
      const { command, rowCount, rows } = await session.query<Row & object>(sql, parameters);
      return command === "SELECT" ? { rows } : { rows, numAffectedRows: BigInt(rowCount ?? 0) };
    },
    streamQuery() {
      throw new Error("Cannot stream rows inside a task's transaction: it has one connection; read them in pages");
    },
  };
}

/** One for all, since it keeps nothing from one statement to the next, and is large. */
const COMPILER = new PostgresQueryCompiler();

/**
 * Lets Kysely, and MikroORM on top of it, use one session. The session's owner begins and ends it, and may destroy it.
 *
 * MikroORM's own transactions cannot be used for a task, for two reasons. They do not say which connection they use, so
 * a task that hangs could not lose its connection. And Kysely gives a connection back only after an answer to COMMIT or
 * ROLLBACK. So each connection lost before that would be missing from the pool for ever; a pool of one would be empty
 * after the first loss.
 */
export function oneConnection(session: OneConnection): Dialect {
  const connection = connectionOf(session);
  async function refuse(): Promise<never> {
    throw new Error(
      "Cannot end a task's transaction from inside; return from execute or throw, and the worker ends it",
    );
  }
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: async () => session.begin(),
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => driver,
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => COMPILER,
  };
}
