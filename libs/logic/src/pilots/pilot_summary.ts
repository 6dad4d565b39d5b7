import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotStatus } from "../entities/pilot.ts";
import { sharesByState } from "../entities/shares_by_state.ts";

/** Pilots by status. A status that no pilot has is absent, so the summary is `{}` at first. */
export type PilotSummary = { readonly [status in PilotStatus]?: number };

/** Counts all pilots by status, also those whose rows were pruned. One query, which reads the rows of active pilots only. */
export async function getPilotSummary(transaction: Transaction): Promise<PilotSummary> {
  const { rows } = await sql<{ status: PilotStatus; count: number }>`
    select status, sum(count)::bigint as count from (${sharesByState}) as share
    group by status`.execute(transaction.getKysely());
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** One VO's pilots at one CE. */
export interface PilotShare {
  readonly ceName: string;
  readonly vo: string;
  readonly submitted: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
}

/**
 * Counts all pilots per CE and VO, also those of removed CEs and those whose rows were pruned. Sorted by CE and then by VO. One query, which
 * reads the rows of active pilots only.
 */
export async function getPilotShares(transaction: Transaction): Promise<readonly PilotShare[]> {
  const { rows } = await sql<PilotShare>`
    select ce_name as "ceName", vo,
      coalesce(sum(count) filter (where status = 'SUBMITTED'), 0)::bigint as submitted,
      coalesce(sum(count) filter (where status = 'RUNNING'), 0)::bigint as running,
      coalesce(sum(count) filter (where status = 'DONE'), 0)::bigint as done,
      coalesce(sum(count) filter (where status = 'FAILED'), 0)::bigint as failed
    from (${sharesByState}) as share
    group by ce_name, vo
    order by ce_name, vo`.execute(transaction.getKysely());
  return rows;
}

/**
 * The proof of the capacity promise: the most pilots by which a submission exceeded the capacity that its own
 * transaction read. 0 if none did. Their rows are never pruned, and have an index of their own.
 *
 * The present number of active pilots proves nothing, since capacity may be lowered below it.
 */
export async function getMaxActiveOverCapacity(transaction: Transaction): Promise<number> {
  const { rows } = await sql<{ excess: number }>`
    select coalesce(greatest(max(active_before + 1 - capacity_read), 0), 0) as excess
    from pilot where active_before >= capacity_read`.execute(transaction.getKysely());
  return rows[0]?.excess ?? 0;
}
