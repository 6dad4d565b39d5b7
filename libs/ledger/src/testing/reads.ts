import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import type { Database } from "../open_database.ts";

/** What some work reads in the database. It tells growth by counts, so a test of it rests on no clock. */
export interface Reads {
  /** Rows and entries of indexes. */
  readonly rows: number;
  /** Pages of tables and indexes, each as often as it was asked for. */
  readonly pages: number;
}

async function readSoFar(transaction: Transaction): Promise<Reads> {
  const { rows } = await sql<Reads>`
    select coalesce(sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid)), 0)::bigint as rows,
      coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint as pages
    from pg_class where relnamespace = 'public'::regnamespace`.execute(transaction.getKysely());
  return rows[0] ?? { rows: 0, pages: 0 };
}

/** Runs `work` in a transaction that is rolled back, and returns what it has read of the tables of Muster. */
export async function readsOf(
  database: Database,
  work: (transaction: Transaction) => Promise<unknown>,
): Promise<Reads> {
  let reads: Reads = { rows: 0, pages: 0 };
  const undo = new Error("rolled back by a test");
  const working = database.transaction(async (transaction) => {
    // What another process reads for this one is counted there.
    await transaction.execute("set local max_parallel_workers_per_gather = 0");
    const before = await readSoFar(transaction);
    await work(transaction);
    const after = await readSoFar(transaction);
    reads = { rows: after.rows - before.rows, pages: after.pages - before.pages };
    throw undo;
  });
  await working.catch((error: unknown) => {
    if (error !== undo) throw error;
  });
  return reads;
}
