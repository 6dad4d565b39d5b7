import { type Database, type DatabaseOptions, openDatabase } from "@muster/ledger";
import { runSql, type TestServer } from "@muster/ledger/testing";
import { type WorkerParts, workerParts } from "./sql_tasks.ts";

export { defineSqlTask, effectOf, type SqlDeps, sqlDeps, workerParts } from "./sql_tasks.ts";

/** A migrated database with a table `effect(task_id)`. Tasks of tests write there that they ran. */
export interface TestDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly url: string;
  /** Runs SQL outside any task. */
  sql<Row extends object>(text: string): Promise<Row[]>;
  /** Number of times that the task had its effect, as committed. */
  effects(taskId: string): Promise<number>;
  /** The options with which a worker runs database tasks. */
  readonly forWorker: WorkerParts;
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
