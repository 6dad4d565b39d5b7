import type { Session } from "../database/session.ts";

/** A lease that must still be the newest when the transaction writes. */
export interface Fence {
  /** The lock's key, `<lock type>.<key>`. */
  readonly key: string;
  /** The revision that began the lease. */
  readonly fencingToken: number;
  /** The random name under which this lease was taken. */
  readonly holder: string;
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

/**
 * Raises the token stored for a lock. Call it at the start of the transaction: its row lock lasts to the end and puts
 * the writers in order. It waits for a transaction that writes under the same lock, and then sees what that one has
 * stored.
 *
 * Throws {@linkcode FenceRefusedError}.
 */
export async function raiseFence(session: Session, fence: Fence): Promise<void> {
  const { key, fencingToken, holder } = fence;
  const { rowCount } = await session.query(
    `insert into lock_fence as stored (key, revision, holder) values ($1, $2, $3)
     on conflict (key) do update set revision = excluded.revision, holder = excluded.holder, raised_at = now()
     where stored.revision < excluded.revision or (stored.revision = excluded.revision and stored.holder = excluded.holder)`,
    [key, fencingToken, holder],
  );
  if (rowCount === 1) return;
  const stored = await session.query<{ revision: number }>("select revision from lock_fence where key = $1", [key]);
  throw new FenceRefusedError(fence, stored.rows[0]?.revision ?? fencingToken);
}
