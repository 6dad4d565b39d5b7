import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import { answeredRequests } from "./answered_requests.ts";

/** A CE with room for one VO. */
export interface AvailableCe {
  readonly name: string;
  /** How many pilots this VO may still ask for, at least 1. */
  readonly availableSlots: number;
}

/**
 * The CEs that have room for a VO, by name. They are enabled, open to the VO, and have free slots. Two kinds of slots
 * are not free: those of active pilots of any VO, and those of this VO's requests without an outcome. One query.
 *
 * It ignores the requests of other VOs. If a CE is full when the task runs, `submitPilot` sees it.
 */
export async function getAvailableCes(
  transaction: Transaction,
  { vo }: { readonly vo: string },
): Promise<readonly AvailableCe[]> {
  const { rows } = await sql<AvailableCe>`
    with ${answeredRequests(sql`vo = ${vo}`)}, requested as (
      select ce_name, count(*) as slots from asked
      where not exists (select from answered where answered.task_id = asked.task_id)
      group by ce_name
    ), free as (
      select ce.name, ce.capacity - active.slots - coalesce(requested.slots, 0) as slots
      from compute_element ce
      cross join lateral (
        select count(*) as slots from pilot where pilot.ce_name = ce.name and pilot.status in ('SUBMITTED', 'RUNNING')
      ) as active
      left join requested on requested.ce_name = ce.name
      where ce.enabled and (ce.vos is null or ${vo} = any (ce.vos))
    )
    select name, slots as "availableSlots" from free where slots > 0
    order by name`.execute(transaction.getKysely());
  return rows;
}
