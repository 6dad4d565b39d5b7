import type { Session } from "../database/session.ts";
import { OUTCOME_COLUMNS, type OutcomeRow, readOutcome, type StoredOutcome } from "./outcome_row.ts";

/** Reads the row of a task as it is committed by now. Does not wait for a transaction that is writing it. */
export async function findOutcome(session: Session, taskId: string, limitMs?: number): Promise<OutcomeRow | undefined> {
  const { rows } = await session.query<StoredOutcome>(
    `select ${OUTCOME_COLUMNS} from task_outcome where task_id = $1`,
    [taskId],
    limitMs,
  );
  const stored = rows[0];
  return stored && readOutcome(stored);
}

/**
 * Writes an outcome by the ledger rule: the first row wins, only `retry` and `dead` give way, and only to a higher
 * attempt.
 *
 * Waits for an open transaction on the same task id. Answers undefined when the row is ours, else the row that stands.
 */
export async function insertOutcome(
  session: Session,
  row: OutcomeRow,
  limitMs?: number,
): Promise<OutcomeRow | undefined> {
  const { taskId, task, vo, payloadHash, attempt, outcome, result, spawned, errors, dueAt, message } = row;
  const { rowCount } = await session.query(
    `insert into task_outcome (${OUTCOME_COLUMNS}, published_at, message)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $11 then now() end, $12)
     on conflict (task_id) do update set
       task = excluded.task, vo = excluded.vo, payload_hash = excluded.payload_hash,
       attempt = excluded.attempt, outcome = excluded.outcome,
       result = excluded.result, spawned = excluded.spawned, errors = excluded.errors, due_at = excluded.due_at,
       settled_at = excluded.settled_at, published_at = excluded.published_at, message = excluded.message
     where task_outcome.outcome in ('retry', 'dead') and task_outcome.attempt < excluded.attempt`,
    [
      taskId,
      task,
      vo,
      payloadHash,
      attempt,
      outcome,
      JSON.stringify(result),
      JSON.stringify(spawned),
      JSON.stringify(errors),
      dueAt,
      spawned.length === 0,
      message === undefined ? null : JSON.stringify(message),
    ],
    limitMs,
  );
  if (rowCount === 1) return undefined;
  const earlier = await findOutcome(session, taskId, limitMs);
  // Only the pruning of rows a month old could take it away between the two statements.
  if (earlier === undefined)
    throw new Error(`Cannot record the outcome of ${taskId}: its earlier row has just been pruned; run it again`);
  return earlier;
}

/** Notes that all children of a task's row are in the stream. Harmless when there is no such row. */
export async function notePublished(session: Session, taskId: string, limitMs?: number): Promise<void> {
  await session.query(
    "update task_outcome set published_at = now() where task_id = $1 and published_at is null",
    [taskId],
    limitMs,
  );
}
