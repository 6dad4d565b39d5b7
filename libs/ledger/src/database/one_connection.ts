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

function connectionOf(session: Session): DatabaseConnection {
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

/**
 * Lets Kysely, and MikroORM on top of it, speak through one session that somebody else begins, ends and may destroy.
 *
 * MikroORM's own transactions cannot be used for a task. They do not tell which connection they run on, so that it
 * could not be destroyed under a task that hangs; and Kysely gives a connection back only after a COMMIT or ROLLBACK
 * that was answered, so that each connection lost in between would be missing from the pool for ever: with a pool of
 * one, the first.
 */
export function oneConnection(session: Session): Dialect {
  const connection = connectionOf(session);
  async function refuse(): Promise<never> {
    throw new Error(
      "Cannot end a task's transaction from inside: whoever opened it commits it with the task's outcome",
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
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}
