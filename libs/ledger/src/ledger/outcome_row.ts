// Tested by libs/ledger/src/ledger/outcomes_test.ts
import { frequent } from "../database/frequent_statements.ts";
import type { LedgerOutcome } from "../entities/task_outcome.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A child that a parent's run spawned, with all that is needed to publish it, also again. */
export interface SpawnedTask {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly payload: { readonly [key: string]: Json };
  /** Version of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
  /** Headers of the publisher's own; absent: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long its result is kept after its end, ms; absent: as its definition says. */
  readonly keepResultMs?: number;
  /** `<group>/<number>` of a child of a group; absent: it is in none. */
  readonly group?: string;
  /** The key of a child in its group. */
  readonly groupKey?: string;
  /** Given for the callback of a group, which is published when the group closes; absent: it is a child. */
  readonly callback?: { readonly id: string; readonly policy: "wait" | "fail fast"; readonly deadlineAt: string };
}

/** The parts of the message of a task's next attempt, to publish it again if LATER loses it. */
export interface RetryMessage {
  /** The body as it was sent. */
  readonly body: string;
  /** The headers that stay the same over a task's attempts. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How one field of a row is stored. */
interface Column<Value> {
  readonly column: string;
  /** The value as pg takes it. */
  write(value: Value): unknown;
  /** The value from what pg has read. */
  read(stored: unknown): Value;
}

function plain<Value>(column: string): Column<Value> {
  return { column, write: (value) => value, read: (stored) => stored as Value };
}

function json<Value>(column: string): Column<Value> {
  return { column, write: (value) => JSON.stringify(value), read: (stored) => stored as Value };
}

function instant(column: string): Column<string | null> {
  return {
    column,
    write: (value) => value,
    read: (stored) => (stored instanceof Date ? stored.toISOString() : null),
  };
}

/** The columns of `task_outcome` that a row is read from. The type of a row, the reader and the insert all follow from this list. */
const LIST = {
  taskId: plain<string>("task_id"),
  task: plain<string>("task"),
  /** The VO's name, or `_` for a task that is not per VO. */
  vo: plain<string>("vo"),
  /** SHA-256 of the canonical payload, hexadecimal. */
  payloadHash: plain<string>("payload_hash"),
  /** The attempt that had this outcome; the first is 1. */
  attempt: plain<number>("attempt"),
  outcome: plain<LedgerOutcome>("outcome"),
  /** What the task returned; null unless done. */
  result: json<Json>("result"),
  spawned: json<readonly SpawnedTask[]>("spawned"),
  /** One line for each failed attempt so far, oldest first. */
  errors: json<readonly string[]>("errors"),
  /** When the next attempt is due (RFC 3339, UTC); null unless `outcome` is `retry`. */
  dueAt: instant("due_at"),
};

type ReadRow = {
  readonly [Field in keyof typeof LIST]: (typeof LIST)[Field] extends Column<infer Value> ? Value : never;
};

/** One row of the ledger, `task_outcome`, as a task runner reads and writes it. */
export interface OutcomeRow extends ReadRow {
  /** Only given with `retry`, and not read back with the row. */
  readonly message?: RetryMessage;
}

const COLUMNS: { readonly [Field in keyof ReadRow]: Column<ReadRow[Field]> } = LIST;
const FIELDS = Object.keys(LIST) as readonly (keyof ReadRow)[];
const NAMES = FIELDS.map((field) => COLUMNS[field].column);

/** The columns that {@linkcode readOutcome} reads, for a SELECT. */
export const OUTCOME_COLUMNS = NAMES.join(", ");

/** A row of `task_outcome` as pg reads the columns of {@linkcode OUTCOME_COLUMNS}. */
export type StoredOutcome = Readonly<Record<string, unknown>>;

/** The same row in the words of the task runner. */
export function readOutcome(stored: StoredOutcome): OutcomeRow {
  return Object.fromEntries(
    FIELDS.map((field) => [field, COLUMNS[field].read(stored[COLUMNS[field].column])]),
  ) as ReadRow;
}

/**
 * Columns that are written with a row and not read back: the publication of its children, and the message of its retry.
 */
const WRITTEN_ALONE = ["published_at", "message"] as const;
const WRITTEN = [...NAMES, ...WRITTEN_ALONE];
const REPLACED = [...WRITTEN, "settled_at"].filter((column) => column !== COLUMNS.taskId.column);
const PARAMETERS = NAMES.map((_, index) => `$${index + 1}`);

/** Writes the values of {@linkcode outcomeValues} by the ledger rule. */
export const INSERT_OUTCOME = frequent(`
  insert into task_outcome (${WRITTEN.join(", ")})
  values (${PARAMETERS.join(", ")}, case when $${NAMES.length + 1} then now() end, $${NAMES.length + 2})
  on conflict (task_id) do update set
    ${REPLACED.map((column) => `${column} = excluded.${column}`).join(", ")}
  where task_outcome.outcome in ('retry', 'dead') and task_outcome.attempt < excluded.attempt`);

/** What {@linkcode INSERT_OUTCOME_OR_FAIL} fails with. PostgreSQL also writes it into its log. */
export const STANDS = "another outcome of this task stands";

/** Like {@linkcode INSERT_OUTCOME}, but fails where another row stands. A COMMIT that was sent with it then commits nothing. */
export const INSERT_OUTCOME_OR_FAIL = frequent(`
  with recorded as (${INSERT_OUTCOME} returning 1)
  select cast(case count(*) when 1 then '1' else '${STANDS}' end as integer) from recorded`);

function written<Field extends keyof ReadRow>(row: OutcomeRow, field: Field): unknown {
  return COLUMNS[field].write(row[field]);
}

/** The values that {@linkcode INSERT_OUTCOME} takes. */
export function outcomeValues(row: OutcomeRow): readonly unknown[] {
  const { spawned, message } = row;
  return [
    ...FIELDS.map((field) => written(row, field)),
    // A row without children counts as published at once.
    spawned.length === 0,
    message === undefined ? null : JSON.stringify(message),
  ];
}
