// Tested by libs/ledger/src/ledger/store_mark_test.ts
import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";

/** How far a stream of NATS was. */
export interface StreamPosition {
  /** When the stream was created, as the server writes it. A stream that was deleted and declared again has another time. */
  readonly createdAt: string;
  readonly lastSequence: number;
}

/** The database's half of the mark that says up to where both stores have gone together. */
export interface StoredMark {
  /** Raised by one with each mark. */
  readonly number: number;
  /** By the name of the stream. */
  readonly positions: Readonly<Record<string, StreamPosition>>;
  /** RFC 3339, UTC, by the database's clock. */
  readonly markedAt: string;
}

/** Reads the mark; undefined: nobody has set one. */
export async function readStoreMark(transaction: Transaction): Promise<StoredMark | undefined> {
  const { rows } = await sql<Omit<StoredMark, "markedAt"> & { markedAt: Date }>`
    select number, positions, marked_at as "markedAt" from store_mark where name = 'nats'`.execute(
    transaction.getKysely(),
  );
  const [row] = rows;
  return row === undefined ? undefined : { ...row, markedAt: row.markedAt.toISOString() };
}

/** A mark to be set. */
export interface MarkWrite extends Omit<StoredMark, "markedAt"> {
  /** The number that must be stored for the mark to be set; undefined: there must be no mark. */
  readonly expected: number | undefined;
  /** The last revision of the bucket of locks. */
  readonly locksRevision: number;
}

/** Sets the mark. Returns false where another one than `expected` is stored. */
export async function writeStoreMark(transaction: Transaction, mark: MarkWrite): Promise<boolean> {
  const { number, positions, locksRevision, expected } = mark;
  const { numAffectedRows } = await sql`
    insert into store_mark as stored (name, number, positions, locks_revision)
    values ('nats', ${number}, ${JSON.stringify(positions)}::json, ${locksRevision})
    on conflict (name) do update
      set number = excluded.number, positions = excluded.positions, locks_revision = excluded.locks_revision, marked_at = now()
      where stored.number = ${expected ?? null}::bigint`.execute(transaction.getKysely());
  return numAffectedRows === 1n;
}

/** What the ledger has recorded since a moment. */
export interface OutcomesSince {
  /** Rows of any outcome. */
  readonly settled: number;
  /** Of these, tasks that were given up. */
  readonly dead: number;
}

/** Counts the ledger's rows that were written at `since` or later. One query. */
export async function countOutcomesSince(transaction: Transaction, since: Date): Promise<OutcomesSince> {
  const { rows } = await sql<OutcomesSince>`
    select count(*) as settled, count(*) filter (where outcome = 'dead') as dead
    from task_outcome where settled_at >= ${since}`.execute(transaction.getKysely());
  return rows[0] ?? { settled: 0, dead: 0 };
}

/**
 * Lets the children of tasks that were settled at `since` or later be published again, under the same ids. Returns the number of these tasks.
 *
 * For a NATS that was restored to an earlier state, and may lack them. A child that has run meets its row.
 */
export async function reopenChildren(transaction: Transaction, since: Date): Promise<number> {
  const { numAffectedRows } = await sql`
    update task_outcome set published_at = null
    where settled_at >= ${since} and published_at is not null and spawned::text <> '[]'`.execute(
    transaction.getKysely(),
  );
  return Number(numAffectedRows ?? 0);
}
