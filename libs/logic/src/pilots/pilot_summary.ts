import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import type { PilotStatus } from "../entities/pilot.ts";

/** Pilots by status. A status that no pilot has is absent, so the summary is `{}` at first. */
export type PilotSummary = { readonly [status in PilotStatus]?: number };

/** Counts all pilots by status. One query. */
export async function getPilotSummary(transaction: Transaction): Promise<PilotSummary> {
  const rows = await transaction
    .getKysely<PilotDb>()
    .selectFrom("pilot")
    .select(({ fn }) => ["status", fn.countAll<number>().as("count")])
    .groupBy("status")
    .execute();
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

/** Counts all pilots per CE and VO, also those of removed CEs. Sorted by CE and then by VO. One query. */
export async function getPilotShares(transaction: Transaction): Promise<readonly PilotShare[]> {
  const { rows } = await sql<PilotShare>`
    select ce_name as "ceName", vo,
      count(*) filter (where status = 'SUBMITTED') as submitted,
      count(*) filter (where status = 'RUNNING') as running,
      count(*) filter (where status = 'DONE') as done,
      count(*) filter (where status = 'FAILED') as failed
    from pilot
    group by ce_name, vo
    order by ce_name, vo`.execute(transaction.getKysely());
  return rows;
}

/**
 * The proof of the capacity promise: the most pilots by which a submission exceeded the capacity that its own
 * transaction read. 0 if none did.
 *
 * The present number of active pilots proves nothing, since capacity may be lowered below it.
 */
export async function getMaxActiveOverCapacity(transaction: Transaction): Promise<number> {
  const { rows } = await sql<{ excess: number }>`
    select coalesce(greatest(max(active_before + 1 - capacity_read), 0), 0) as excess from pilot`.execute(
    transaction.getKysely(),
  );
  return rows[0]?.excess ?? 0;
}
