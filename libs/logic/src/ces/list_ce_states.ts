import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

/** One VO's pilots that occupy slots at a CE. */
export interface ActiveShare {
  readonly vo: string;
  readonly submitted: number;
  readonly running: number;
}

/** A CE as it is now, without what its pilots did before. */
export interface CeState {
  readonly name: string;
  readonly enabled: boolean;
  readonly capacity: number;
  readonly successRate: number;
  /** The VOs that may submit; null: all. */
  readonly vos: readonly string[] | null;
  /** By VO. */
  readonly active: readonly ActiveShare[];
}

/** All CEs by name, with the pilots of each VO that occupy slots. One query, which reads active pilots only. */
export async function listCeStates(transaction: Transaction): Promise<readonly CeState[]> {
  const { rows } = await sql<CeState>`
    select ce.name, ce.enabled, ce.capacity, ce.success_rate as "successRate", ce.vos,
      coalesce(
        json_agg(
          json_build_object('vo', share.vo, 'submitted', share.submitted, 'running', share.running) order by share.vo
        ) filter (where share.vo is not null),
        '[]'
      ) as active
    from compute_element ce
    left join (
      select ce_name, vo,
        count(*) filter (where status = 'SUBMITTED') as submitted,
        count(*) filter (where status = 'RUNNING') as running
      from pilot where status in ('SUBMITTED', 'RUNNING')
      group by ce_name, vo
    ) share on share.ce_name = ce.name
    group by ce.name
    order by ce.name`.execute(transaction.getKysely());
  return rows;
}
