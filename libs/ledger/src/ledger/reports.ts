import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import type { LedgerOutcome } from "../entities/task_outcome.ts";
import type { LedgerDb } from "../schema/ledger_tables.ts";
import { OUTCOME_COLUMNS, type OutcomeRow, readOutcome, type RetryMessage, type StoredOutcome } from "./outcome_row.ts";

/** Tasks by outcome. An outcome that no task has is absent. */
export type OutcomeSummary = { readonly [outcome in LedgerOutcome]?: number };

/** Counts the ledger's rows by outcome. One query. */
export async function getOutcomeSummary(transaction: Transaction): Promise<OutcomeSummary> {
  const rows = await transaction
    .getKysely<LedgerDb>()
    .selectFrom("task_outcome")
    .select(({ fn }) => ["outcome", fn.countAll<number>().as("count")])
    .groupBy("outcome")
    .execute();
  return Object.fromEntries(rows.map(({ outcome, count }) => [outcome, count]));
}

/** When the row of a task was written; undefined: there is none. */
export async function getSettledAt(transaction: Transaction, taskId: string): Promise<Date | undefined> {
  const row = await transaction
    .getKysely<LedgerDb>()
    .selectFrom("task_outcome")
    .select("settled_at")
    .where("task_id", "=", taskId)
    .executeTakeFirst();
  return row === undefined ? undefined : new Date(row.settled_at);
}

/** Most VOs in one list. */
const LISTED_VOS = 1_000;

/** The VOs of tasks that have an outcome, by name, at most 1,000. */
export async function listVosWithOutcomes(transaction: Transaction): Promise<readonly string[]> {
  const rows = await transaction
    .getKysely<LedgerDb>()
    .selectFrom("task_outcome")
    .select("vo")
    .distinct()
    .where("vo", "<>", "_")
    .orderBy("vo")
    .limit(LISTED_VOS)
    .execute();
  return rows.map(({ vo }) => vo);
}

/** Age of an unmarked row after which another process publishes its children, as an SQL interval. */
const UNPUBLISHED_AFTER = "5 minutes";

/**
 * Rows older than 5 minutes whose children may not all have been published, oldest first. Returns at most `limit`,
 * default 100.
 */
export async function listUnpublished(transaction: Transaction, limit = 100): Promise<readonly OutcomeRow[]> {
  const { rows } = await sql<StoredOutcome>`
    select ${sql.raw(OUTCOME_COLUMNS)} from task_outcome
    where published_at is null and settled_at < now() - ${UNPUBLISHED_AFTER}::interval
    order by settled_at
    limit ${limit}`.execute(transaction.getKysely());
  return rows.map(readOutcome);
}

/** A task that is to be tried again. */
export interface RecordedRetry {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  /** The attempt that failed. */
  readonly attempt: number;
}

/**
 * Age of a row, and of a due time, up to which the message may be between two streams, as an SQL interval. A new row's
 * message may be on its way to LATER, and that of a retry just due on its way to TASKS.
 */
const STORED_AFTER = "10 seconds";
const FIRED_AFTER = "20 seconds";
/** Time before a due time from which the message may leave for TASKS at any moment, as an SQL interval. */
const FIRES_WITHIN = "5 seconds";

/**
 * Retries whose message must be in a stream, by task id, at most `limit` from behind `after`. Leaves out rows just
 * recorded, retries due in the next seconds, and retries due a moment ago.
 */
export async function listRetries(
  transaction: Transaction,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly RecordedRetry[]> {
  const { rows } = await sql<RecordedRetry>`
    select task_id as "taskId", task, vo, attempt from task_outcome
    where outcome = 'retry' and task_id > ${after}
      and settled_at < now() - ${STORED_AFTER}::interval
      and (due_at > now() + ${FIRES_WITHIN}::interval or due_at < now() - ${FIRED_AFTER}::interval)
    order by task_id
    limit ${limit}`.execute(transaction.getKysely());
  return rows;
}

/** A retry with the parts of its message. `message` is null where an older version has recorded the retry. */
export interface StandingRetry extends RecordedRetry {
  /** RFC 3339, UTC. */
  readonly dueAt: string;
  readonly message: RetryMessage | null;
}

/** Reads `retries` again and returns those that are still at the same attempt. */
export async function rereadRetries(
  transaction: Transaction,
  retries: readonly RecordedRetry[],
): Promise<readonly StandingRetry[]> {
  const { rows } = await sql<Omit<StandingRetry, "dueAt"> & { due_at: Date }>`
    select outcome.task_id as "taskId", outcome.task, outcome.vo, outcome.attempt, outcome.due_at, outcome.message
    from task_outcome outcome
    join unnest(
      ${retries.map(({ taskId }) => taskId)}::text[], ${retries.map(({ attempt }) => attempt)}::int[]
    ) as was (task_id, attempt) on was.task_id = outcome.task_id and was.attempt = outcome.attempt
    where outcome.outcome = 'retry'`.execute(transaction.getKysely());
  return rows.map(({ due_at, ...row }) => ({ ...row, dueAt: due_at.toISOString() }));
}

/** How long the ledger remembers a task, as an SQL interval. */
const KEPT_FOR = "30 days";

/**
 * Drops rows that were settled 30 days ago, at most `limit` (default 10,000), and returns how many. Call it again while
 * it returns `limit`.
 *
 * Rows that still need work stay: a retry less than 30 days overdue, and a row whose children were not marked as
 * published.
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
 * The highest fencing token that any lock has stored, or the bucket's last revision at the last mark where that is higher; 0: there is none.
 * The next token must be above it.
 */
export async function getHighestFence(transaction: Transaction): Promise<number> {
  const { rows } = await sql<{ highest: number | null }>`
    select greatest((select max(revision) from lock_fence), (select max(locks_revision) from store_mark)) as highest`.execute(
    transaction.getKysely(),
  );
  return rows[0]?.highest ?? 0;
}
