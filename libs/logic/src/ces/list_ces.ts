import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import { sharesByState } from "../entities/shares_by_state.ts";

/** A CE as its operator sees it. */
export interface CeOverview {
  readonly name: string;
  readonly enabled: boolean;
  readonly capacity: number;
  readonly successRate: number;
  /** The VOs that may submit; null: all. */
  readonly vos: readonly string[] | null;
  /** Pilots that occupy a slot, of all VOs. */
  readonly active: number;
  readonly done: number;
  readonly failed: number;
}

/**
 * All CEs by name, with the counts of their pilots, also of those whose rows were pruned. One query, which reads the rows of active pilots
 * only.
 */
export async function listCes(transaction: Transaction): Promise<readonly CeOverview[]> {
  const { rows } = await sql<CeOverview>`
    select ce.name, ce.enabled, ce.capacity, ce.success_rate as "successRate", ce.vos,
      coalesce(sum(share.count) filter (where share.status in ('SUBMITTED', 'RUNNING')), 0)::bigint as active,
      coalesce(sum(share.count) filter (where share.status = 'DONE'), 0)::bigint as done,
      coalesce(sum(share.count) filter (where share.status = 'FAILED'), 0)::bigint as failed
    from compute_element ce
    left join (${sharesByState}) as share on share.ce_name = ce.name
    group by ce.name
    order by ce.name`.execute(transaction.getKysely());
  return rows;
}
