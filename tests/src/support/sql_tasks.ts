// What tasks of tests need in the processes that run them. It loads nothing that only tests have.
import { type Database, getHighestFence, type Transaction } from "@muster/ledger";
import { type DepsInput, taskFactory } from "@muster/tasks";
import type { TestWorkerOptions } from "./muster.ts";

/** What the database tasks of tests may call. */
export interface SqlDeps {
  /** Runs a statement in the run's transaction. */
  sql(text: string): Promise<unknown>;
}

/** Defines tasks with the effect "once". */
export const defineSqlTask = taskFactory<SqlDeps>();

/** What makes the deps of database tasks, in whatever thread they run. */
export function sqlDeps({ transaction }: Pick<DepsInput<Transaction>, "transaction">): SqlDeps {
  return { sql: async (text) => (await transaction()).execute(text) };
}

/** The statement that writes the effect of a task. */
export const effectOf = (taskId: string) => `insert into effect values ('${taskId}')`;

/** The options with which a worker runs database tasks. */
export type WorkerParts = Pick<TestWorkerOptions<Transaction, SqlDeps>, "ledger" | "deps" | "highestFence">;

/** Returns the options with which a worker runs database tasks on `database`. */
export function workerParts(database: Database): WorkerParts {
  return {
    ledger: database.ledger,
    deps: sqlDeps,
    highestFence: () => database.transaction(getHighestFence),
  };
}
