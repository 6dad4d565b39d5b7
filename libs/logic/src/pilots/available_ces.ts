import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

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
    select ce.name, ce.capacity - active.slots - requested.slots as "availableSlots"
    from compute_element ce
    -- Each is counted once for a CE. Subqueries in the list of columns would be counted again for the condition.
    cross join lateral (
      select count(*) as slots from pilot where pilot.ce_name = ce.name and pilot.status in ('SUBMITTED', 'RUNNING')
    ) as active
    cross join lateral (
      select count(*) as slots from pilot_request request
      where request.vo = ${vo} and request.ce_name = ce.name
        and not exists (select from task_outcome outcome where outcome.task_id = request.task_id)
    ) as requested
    where ce.enabled and (ce.vos is null or ${vo} = any (ce.vos)) and ce.capacity > active.slots + requested.slots
    order by ce.name`.execute(transaction.getKysely());
  return rows;
}
