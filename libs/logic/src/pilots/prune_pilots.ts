import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

/** Which rows {@linkcode prunePilots} looks at. */
export interface PilotPruning {
  /** Rows of pilots that ended so long ago are dropped, ms. */
  readonly keptForMs: number;
  /** Looks at pilots with a larger id than this; 0: from the oldest. */
  readonly after: number;
  /** Most rows that it looks at; default 2,000. */
  readonly limit?: number;
}

/** What one look of {@linkcode prunePilots} came to. */
export interface PilotsPruned {
  readonly dropped: number;
  /** Where the next look begins; undefined: no older pilot is left. */
  readonly next: number | undefined;
}

/**
 * Drops the rows of pilots that ended `keptForMs` ago, by their ids. Their numbers stay: each was counted when it ended. One statement, which
 * looks at `limit` rows at most. Call it again with `next`.
 *
 * Any number of processes may prune at once, and each may die at any moment. The rows of active pilots stay, and those that prove a breach of
 * capacity.
 */
export async function prunePilots(
  transaction: Transaction,
  { keptForMs, after, limit = 2_000 }: PilotPruning,
): Promise<PilotsPruned> {
  const { rows } = await sql<{ dropped: number; looked: number; last: number; reached: boolean }>`
    with looked as (
      select id, submitted_at, updated_at, status in ('DONE', 'FAILED') and active_before < capacity_read as prunable
      from pilot where id > ${after} order by id limit ${limit}
    ), border as (
      select now() - ${keptForMs}::double precision * interval '1 millisecond' as at
    ), dropped as (
      delete from pilot where id = any (array(select id from looked, border where prunable and updated_at < at)) returning id
    )
    -- A pilot ends after its submission. So behind a young one there are, by their ids, young ones alone.
    select (select count(*) from dropped) as dropped, count(*) as looked, coalesce(max(id), 0) as last,
      coalesce(bool_or(submitted_at >= at), false) as reached
    from looked, border`.execute(transaction.getKysely());
  const { dropped = 0, looked = 0, last = 0, reached = true } = rows[0] ?? {};
  return { dropped, next: reached || looked < limit ? undefined : last };
}
