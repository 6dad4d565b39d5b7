import type { QueryResult, QueryResultRow } from "pg";
import { frequent } from "../database/frequent_statements.ts";

/** A lease that must still be the newest when the transaction writes. */
export interface Fence {
  /** The lock's key, `<lock type>.<key>`. */
  readonly key: string;
  /** The revision that began the lease. */
  readonly fencingToken: number;
  /** The random name under which this lease was taken. */
  readonly holder: string;
  /** Whether other transactions with this token and holder may write at the same time: readers of a read-write lock. */
  readonly isShared?: boolean;
}

/** What runs the statements of a fence. */
export interface FenceSession {
  query<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<Pick<QueryResult<Row>, "rows" | "rowCount">>;
}

/**
 * A newer lease has written under this lock, so this run may not write any more. The task is abandoned, and its message
 * comes back.
 */
export class FenceRefusedError extends Error {
  override readonly name = "FenceRefusedError";
  readonly key: string;
  readonly fencingToken: number;
  /**
   * The stored token. If it is above the last revision of the locks' bucket, the bucket's revisions have fallen and
   * must be raised.
   */
  readonly storedRevision: number;
  constructor({ key, fencingToken }: Fence, storedRevision: number) {
    super(
      `Cannot write under lock "${key}" with fencing token ${fencingToken}: token ${storedRevision} has written since, so the lease was lost; ` +
        "nothing of this run is kept",
    );
    this.key = key;
    this.fencingToken = fencingToken;
    this.storedRevision = storedRevision;
  }
}

const RAISE = frequent(`
  insert into lock_fence as stored (key, revision, holder) values ($1, $2, $3)
  on conflict (key) do update set revision = excluded.revision, holder = excluded.holder, raised_at = now()
  where stored.revision < excluded.revision or (stored.revision = excluded.revision and stored.holder = excluded.holder)`);

/**
 * Raises the token stored for a lock. Call it at the start of the transaction: its row lock lasts to the end and puts
 * the writers in order. It waits for a transaction that writes under the same lock, and then sees what that one has
 * stored.
 *
 * Throws {@linkcode FenceRefusedError}.
 */
export async function raiseFence(session: FenceSession, fence: Fence): Promise<void> {
  const { key, fencingToken, holder } = fence;
  const { rowCount } = await session.query(RAISE, [key, fencingToken, holder]);
  if (rowCount === 1) return;
  const stored = await session.query<{ revision: number }>("select revision from lock_fence where key = $1", [key]);
  throw new FenceRefusedError(fence, stored.rows[0]?.revision ?? fencingToken);
}

/**
 * Makes the token of readers the stored one. Call it before the transaction, so that the row is not kept locked for it:
 * readers that hold a lock together would otherwise wait for the first of them.
 *
 * It waits for a writer's transaction. A reader that rolls back afterwards has refused only older leases than its own.
 */
export async function raiseSharedFence(session: FenceSession, fence: Fence): Promise<void> {
  const { key, fencingToken, holder } = fence;
  const stored = await session.query<{ revision: number; holder: string }>(
    "select revision, holder from lock_fence where key = $1",
    [key],
  );
  const [row] = stored.rows;
  // The usual case: another reader was here. A stale reader is refused by `shareFence`.
  if (row !== undefined && (row.revision > fencingToken || row.holder === holder)) return;
  await raiseFence(session, fence);
}

/**
 * Keeps writers out until the transaction ends, and lets other readers in. Call it at the start of the transaction.
 *
 * Throws {@linkcode FenceRefusedError} where a newer lease has written since.
 */
export async function shareFence(session: FenceSession, fence: Fence): Promise<void> {
  const { key, fencingToken, holder } = fence;
  const stored = await session.query<{ revision: number; holder: string }>(
    "select revision, holder from lock_fence where key = $1 for share",
    [key],
  );
  const [row] = stored.rows;
  if (row?.revision === fencingToken && row.holder === holder) return;
  throw new FenceRefusedError(fence, row?.revision ?? fencingToken);
}
