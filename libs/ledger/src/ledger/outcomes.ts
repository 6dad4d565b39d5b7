import { sqlStateOf } from "../database/failures.ts";
import type { Session } from "../database/session.ts";
import {
  INSERT_OUTCOME,
  OUTCOME_COLUMNS,
  type OutcomeRow,
  outcomeValues,
  readOutcome,
  STANDS,
  type StoredOutcome,
} from "./outcome_row.ts";

/** PostgreSQL's code for a text that is no value of its type. */
const INVALID_TEXT = "22P02";

/** Reads the committed row of a task. Does not wait for a transaction that is writing it. */
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
 * Writes an outcome by the ledger rule. The first row wins. Only `retry` and `dead` may be replaced, and only by a
 * higher attempt.
 *
 * Waits for an open transaction on the same task id. Returns undefined when this row was written, else the row that
 * stands.
 */
export async function insertOutcome(
  session: Session,
  row: OutcomeRow,
  limitMs?: number,
): Promise<OutcomeRow | undefined> {
  const { taskId } = row;
  const { rowCount } = await session.query(INSERT_OUTCOME, outcomeValues(row), limitMs);
  if (rowCount === 1) return undefined;
  return await outcomeThatStands(session, taskId, limitMs);
}

/** Whether the insert failed because another row stands. */
export function isStanding(error: unknown): boolean {
  return error instanceof Error && sqlStateOf(error) === INVALID_TEXT && error.message.includes(STANDS);
}

/** Reads the row that kept another one of the same task from being written. */
export async function outcomeThatStands(session: Session, taskId: string, limitMs?: number): Promise<OutcomeRow> {
  const earlier = await findOutcome(session, taskId, limitMs);
  // Between the two statements only the pruning could remove the row, and it removes rows a month old.
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
