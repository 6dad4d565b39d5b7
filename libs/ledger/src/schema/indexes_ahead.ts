// Tested by libs/ledger/src/schema/indexes_ahead_test.ts
import type { LargeIndex } from "./table_set.ts";

/**
 * The statement that makes an index in the migrations' transaction, unless it was made ahead: in a new database.
 */
export function makeIndex({ name, table, of }: LargeIndex): string {
  return `do $$ begin if to_regclass('${name}') is null then create index ${name} on ${table} ${of}; end if; end; $$`;
}

/** Runs one statement outside of any transaction. `?` stands for a value. */
export type ExecuteAlone = (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

/** `damaged`: the making of it was broken off. */
type IndexState = "no table" | "none" | "made" | "damaged";

async function stateOf(execute: ExecuteAlone, { name, table }: LargeIndex): Promise<IndexState> {
  const [row] = await execute(
    `select to_regclass(?) is not null as "hasTable",
       (select indisvalid from pg_index where indexrelid = to_regclass(?)) as valid`,
    [table, name],
  );
  if (row?.["hasTable"] !== true) return "no table";
  if (row["valid"] === true) return "made";
  return row["valid"] === false ? "damaged" : "none";
}

/**
 * Makes the indexes of migrations that are still to come, before their transaction. Nobody who writes waits for it, however large the table
 * is. In the transaction each writer would wait until its end.
 *
 * Each index is made by itself. What is broken off leaves a damaged one, which the next call drops. It waits for open transactions as long as they
 * take.
 */
export async function makeIndexesAhead(execute: ExecuteAlone, indexes: readonly LargeIndex[]): Promise<void> {
  for (const index of indexes) {
    const state = await stateOf(execute, index);
    if (state === "damaged") await execute(`drop index concurrently ${index.name}`);
    if (state === "damaged" || state === "none")
      await execute(`create index concurrently ${index.name} on ${index.table} ${index.of}`);
  }
}
