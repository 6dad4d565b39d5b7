import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import type { LedgerOutcome } from "../entities/task_outcome.ts";
import { OUTCOME_COLUMNS, type OutcomeRow, readOutcome, type StoredOutcome } from "./outcome_row.ts";

/** Tasks by outcome. An outcome that no task has is absent. */
export type OutcomeSummary = { readonly [outcome in LedgerOutcome]?: number };

/** Counts the ledger's rows by outcome. One query. */
export async function getOutcomeSummary(transaction: Transaction): Promise<OutcomeSummary> {
  const rows = await transaction
    .getKysely()
    .selectFrom("task_outcome")
    .select(({ fn }) => ["outcome", fn.countAll<number>().as("count")])
    .groupBy("outcome")
    .execute();
  return Object.fromEntries(rows.map(({ outcome, count }) => [outcome, count]));
}

/** How long a row's children may go unmarked before somebody else publishes them, as an SQL interval. */
const UNPUBLISHED_AFTER = "5 minutes";

/**
 * Rows older than 5 minutes whose children may not all have been published, oldest first, `limit` (default 100) at
 * most.
 */
export async function listUnpublished(transaction: Transaction, limit = 100): Promise<readonly OutcomeRow[]> {
  const { rows } = await sql<StoredOutcome>`
    select ${sql.raw(OUTCOME_COLUMNS)} from task_outcome
    where published_at is null and settled_at < now() - ${UNPUBLISHED_AFTER}::interval
    order by settled_at
    limit ${limit}`.execute(transaction.getKysely());
  return rows.map(readOutcome);
}

/** How long the ledger remembers a task, as an SQL interval. */
const KEPT_FOR = "30 days";

/**
 * Drops rows that were settled 30 days ago, `limit` (default 10,000) at most, and answers how many; call it again while
 * it answers `limit`. Rows that are still to be acted upon stay: a retry that is not that long overdue, children that
 * were not marked published.
 */
export async function pruneLedger(transaction: Transaction, limit = 10_000): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from task_outcome where task_id in (
      select task_id from task_outcome
      where settled_at < now() - ${KEPT_FOR}::interval
        and coalesce(due_at, settled_at) < now() - ${KEPT_FOR}::interval
        and published_at is not null
      order by settled_at
      limit ${limit}
    )`.execute(transaction.getKysely());
  return Number(numAffectedRows ?? 0);
}

/**
 * The highest fencing token that any lock has stored; 0 where there is none. A new bucket of locks must begin above it.
 */
export async function getHighestFence(transaction: Transaction): Promise<number> {
  const { highest } = await transaction
    .getKysely()
    .selectFrom("lock_fence")
    .select(({ fn }) => fn.max("revision").as("highest"))
    .executeTakeFirstOrThrow();
  return highest ?? 0;
}
