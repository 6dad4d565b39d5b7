import { sql } from "kysely";

/**
 * The number of all pilots by CE, VO and status, for the FROM of a query: `ce_name`, `vo`, `status`, `count`. Pilots that have ended were counted
 * when they ended. So it reads as many rows as there are active pilots and shares, whatever has ended and was pruned.
 *
 * One statement sees both halves at one moment: a pilot that ends is in one of them.
 */
export const sharesByState = sql`
  select ce_name, vo, status, count(*) as count from pilot where status in ('SUBMITTED', 'RUNNING')
  group by ce_name, vo, status
  union all
  select ce_name, vo, status, count from pilot_ended where count > 0`;
