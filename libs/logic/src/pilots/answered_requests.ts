// Tested by libs/logic/src/pilots/answered_requests_test.ts
import { type RawBuilder, sql } from "kysely";

/** Ids of a round that are read beyond twice the number of its requests. Further ones lie there only where ids are not alike. */
const MORE_READ = 100;

/**
 * Definitions of a WITH clause: `asked` are the requests that meet `condition`, and `answered` the ids of those whose task has an outcome.
 *
 * Tasks that one round has asked for have ids that follow from each other. So their outcomes lie side by side in the ledger's key,
 * and one look finds all of them, where a look for each request would be four pages. Where other ids lie between, the reading is cut off,
 * and each request behind that place is looked up by itself.
 */
export function answeredRequests(condition: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    asked as materialized (
      select task_id, ce_name, vo, requested_at from pilot_request where ${condition}
    ), near as materialized (
      select round.vo, round.requested_at, round.most, outcome.task_id
      from (
        select vo, requested_at, min(task_id) as low, max(task_id) as high, 2 * count(*) + ${sql.lit(MORE_READ)} as most
        from asked group by vo, requested_at
      ) as round
      cross join lateral (
        select task_id from task_outcome where task_id between round.low and round.high order by task_id limit round.most
      ) as outcome
    ), cut as (
      select vo, requested_at, max(task_id) as after
      from near group by vo, requested_at, most having count(*) = most
    ), answered as (
      select asked.task_id from asked where exists (select from near where near.task_id = asked.task_id)
      union all
      select asked.task_id
      from asked
      join cut on cut.vo = asked.vo and cut.requested_at = asked.requested_at
      -- The limit keeps it from being joined with all outcomes.
      cross join lateral (select from task_outcome where task_outcome.task_id = asked.task_id limit 1) as outcome
      where asked.task_id > cut.after
    )`;
}
