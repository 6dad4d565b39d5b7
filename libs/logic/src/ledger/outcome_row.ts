import type { LedgerOutcome } from "../entities/task_outcome.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A child that a parent's run spawned: everything needed to publish it, once or again. */
export interface SpawnedTask {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly payload: { readonly [key: string]: Json };
  /** Of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
}

/** What the message of a task's next attempt is made from, should LATER lose it. */
export interface RetryMessage {
  /** The body as it was sent. */
  readonly body: string;
  /** Those that stay the same over a task's attempts. */
  readonly headers: Readonly<Record<string, string>>;
}

/** One row of the ledger, `task_outcome`, as a task runner reads and writes it. */
export interface OutcomeRow {
  readonly taskId: string;
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  /** SHA-256 of the canonical payload, hexadecimal. */
  readonly payloadHash: string;
  /** The attempt that ended so, 1 first. */
  readonly attempt: number;
  readonly outcome: LedgerOutcome;
  /** What the task returned; null unless done. */
  readonly result: Json;
  readonly spawned: readonly SpawnedTask[];
  /** When the next attempt is due (RFC 3339, UTC); null unless `outcome` is `retry`. */
  readonly dueAt: string | null;
  /** One line for each failed attempt so far, oldest first. */
  readonly errors: readonly string[];
  /** Given with `retry` alone, and not read back with the row. */
  readonly message?: RetryMessage;
}

/** A row of `task_outcome` as pg reads the columns of {@linkcode OUTCOME_COLUMNS}. */
export interface StoredOutcome {
  task_id: string;
  task: string;
  vo: string;
  payload_hash: string;
  attempt: number;
  outcome: LedgerOutcome;
  result: Json;
  spawned: readonly SpawnedTask[];
  errors: readonly string[];
  due_at: Date | null;
}

export const OUTCOME_COLUMNS = "task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, due_at";

/** The same row in the words of the task runner. */
export function readOutcome(stored: StoredOutcome): OutcomeRow {
  return {
    taskId: stored.task_id,
    task: stored.task,
    vo: stored.vo,
    payloadHash: stored.payload_hash,
    attempt: stored.attempt,
    outcome: stored.outcome,
    result: stored.result,
    spawned: stored.spawned,
    dueAt: stored.due_at?.toISOString() ?? null,
    errors: stored.errors,
  };
}
