import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

/** A CE with room for one VO. */
export interface AvailableCe {
  readonly name: string;
  /** How many pilots this VO may still ask for, at least 1. */
  readonly availableSlots: number;
}

/**
 * The CEs that have room for a VO, by name: enabled, open to it, and with slots that are neither occupied by anybody's
 * active pilot nor spoken for by a request of this VO that has no outcome yet. One query.
 *
 * It does not look at other VOs' requests: what is full by the time a task runs, `submitPilot` sees.
 */
export async function getAvailableCes(
  transaction: Transaction,
  { vo }: { readonly vo: string },
): Promise<readonly AvailableCe[]> {
  const { rows } = await sql<AvailableCe>`
    select name, capacity - active - requested as "availableSlots"
    from (
      select ce.name, ce.capacity,
        (select count(*) from pilot where pilot.ce_name = ce.name and pilot.status in ('SUBMITTED', 'RUNNING')) as active,
        (
          select count(*) from pilot_request request
          where request.vo = ${vo} and request.ce_name = ce.name
            and not exists (select from task_outcome outcome where outcome.task_id = request.task_id)
        ) as requested
      from compute_element ce
      where ce.enabled and (ce.vos is null or ${vo} = any (ce.vos))
    ) ce
    where capacity > active + requested
    order by name`.execute(transaction.getKysely());
  return rows;
}
