import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

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

/** All CEs by name, with the counts of their pilots. One query. */
export async function listCes(transaction: Transaction): Promise<readonly CeOverview[]> {
  const { rows } = await sql<CeOverview>`
    select ce.name, ce.enabled, ce.capacity, ce.success_rate as "successRate", ce.vos,
      count(pilot.id) filter (where pilot.status in ('SUBMITTED', 'RUNNING')) as active,
      count(pilot.id) filter (where pilot.status = 'DONE') as done,
      count(pilot.id) filter (where pilot.status = 'FAILED') as failed
    from compute_element ce
    left join pilot on pilot.ce_name = ce.name
    group by ce.name
    order by ce.name`.execute(transaction.getKysely());
  return rows;
}
