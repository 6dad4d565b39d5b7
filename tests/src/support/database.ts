import { type Database, type DatabaseOptions, getHighestFence, openDatabase, type Transaction } from "@muster/ledger";
import { runSql, type TestServer } from "@muster/ledger/testing";
import { type DepsInput, taskFactory } from "@muster/tasks";
import type { TestWorkerOptions } from "./muster.ts";

/** What the database tasks of tests may call. */
export interface SqlDeps {
  /** Runs a statement in the run's transaction. */
  sql(text: string): Promise<unknown>;
}

/** Defines tasks with the effect "once". */
export const defineSqlTask = taskFactory<SqlDeps>();

/** A migrated database with a table `effect(task_id)`. Tasks of tests write there that they ran. */
export interface TestDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly url: string;
  /** Runs SQL outside any task. */
  sql<Row extends object>(text: string): Promise<Row[]>;
  /** Number of times that the task had its effect, as committed. */
  effects(taskId: string): Promise<number>;
  /** The options with which a worker runs database tasks. */
  readonly forWorker: Pick<TestWorkerOptions<Transaction, SqlDeps>, "ledger" | "deps" | "highestFence">;
}

/** What makes the deps of database tasks, in whatever thread they run. */
export function sqlDeps({ transaction }: Pick<DepsInput<Transaction>, "transaction">): SqlDeps {
  return { sql: async (text) => (await transaction()).execute(text) };
}

/** The statement that writes the effect of a task. */
export const effectOf = (taskId: string) => `insert into effect values ('${taskId}')`;

/** Returns the options with which a worker runs database tasks on `database`. */
export function workerParts(database: Database): TestDatabase["forWorker"] {
  return {
    ledger: database.ledger,
    deps: sqlDeps,
    highestFence: () => database.transaction(getHighestFence),
  };
}

/** Creates a database on `server` for one test. */
export async function createTestDatabase(
  server: Pick<TestServer, "createUrl">,
  options: Omit<DatabaseOptions, "url"> = {},
): Promise<TestDatabase> {
  const url = await server.createUrl();
  const database = await openDatabase({ ...options, url });
  await runSql(database, "create table effect (task_id text not null)");
  return {
    database,
    url,
    sql: (text) => runSql(database, text),
    async effects(taskId) {
      return (await runSql(database, `select from effect where task_id = '${taskId}'`)).length;
    },
    forWorker: workerParts(database),
    [Symbol.asyncDispose]: () => database.close(),
  };
}
