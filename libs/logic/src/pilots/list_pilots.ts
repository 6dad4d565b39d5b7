import { type RawBuilder, sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import { PILOT_STATUSES, type PilotStatus } from "../entities/pilot.ts";

/** A pilot as its operator sees it. */
export interface PilotRow {
  readonly id: number;
  readonly ceName: string;
  readonly vo: string;
  readonly status: PilotStatus;
  readonly submittedAt: Date;
  /** When its status last changed. */
  readonly updatedAt: Date;
  /** The task that submitted it. */
  readonly taskId: string;
}

/** Selects pilots. A field that is left out selects all. */
export interface PilotFilter {
  readonly vo?: string | undefined;
  readonly ceName?: string | undefined;
  readonly statuses?: readonly PilotStatus[] | undefined;
  readonly ids?: readonly number[] | undefined;
  /** Only pilots with a smaller id, for the next page. */
  readonly before?: number | undefined;
  /** Only pilots with a larger id. */
  readonly after?: number | undefined;
}

/** What is read of a pilot. */
const COLUMNS = sql`id, ce_name as "ceName", vo, status, submitted_at as "submittedAt", updated_at as "updatedAt", task_id as "taskId"`;

/** The filter as conditions on the columns of `table`. */
function conditionsOf({ vo, ceName, ids, before, after }: PilotFilter): readonly RawBuilder<unknown>[] {
  return [
    ...(vo === undefined ? [] : [sql`vo = ${vo}`]),
    ...(ceName === undefined ? [] : [sql`ce_name = ${ceName}`]),
    ...(ids === undefined ? [] : [sql`id = any (${[...ids]}::bigint[])`]),
    ...(after === undefined ? [] : [sql`id > ${after}`]),
    ...(before === undefined ? [] : [sql`id < ${before}`]),
  ];
}

/** Joins conditions by AND. */
function all(conditions: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return conditions.length === 0 ? sql`true` : sql.join([...conditions], sql` and `);
}

/** The newest pilots, by their ids: of a list of them, of those behind one, or all. */
function byIds(filter: PilotFilter, limit: number): RawBuilder<PilotRow> {
  const { statuses } = filter;
  const wanted = statuses === undefined ? [] : [sql`status = any (${[...statuses]}::text[])`];
  return sql<PilotRow>`
    select ${COLUMNS} from pilot where ${all([...conditionsOf(filter), ...wanted])} order by id desc limit ${limit}`;
}

/**
 * The newest pilots of a filter that names a VO, a CE or a status. Of each share of ended pilots it reads `limit` rows at most, by their index.
 * A look through all pilots by their ids would read millions where few of them match.
 */
function byShares(filter: PilotFilter, limit: number): RawBuilder<PilotRow> {
  const { statuses = PILOT_STATUSES, vo, ceName } = filter;
  const wanted = sql`status = any (${[...statuses]}::text[])`;
  const rows = conditionsOf(filter);
  const shares = [sql`count > 0`, wanted, ...conditionsOf({ vo, ceName })];
  return sql<PilotRow>`
    select ${COLUMNS} from (
      (
        select * from pilot where ${all([sql`status in ('SUBMITTED', 'RUNNING')`, wanted, ...rows])}
        order by id desc limit ${limit}
      )
      union all
      select newest.* from (select * from pilot_ended where ${all(shares)}) as share, lateral (
        select * from pilot
        where vo = share.vo and ce_name = share.ce_name and status = share.status
          and ${all([sql`status in ('DONE', 'FAILED')`, ...rows])}
        order by id desc limit ${limit}
      ) as newest
    ) as found
    order by id desc limit ${limit}`;
}

/** Lists at most `limit` pilots, the newest first. One query. What it reads does not grow with the number of ended pilots. */
export async function listPilots(
  transaction: Transaction,
  filter: PilotFilter,
  limit: number,
): Promise<readonly PilotRow[]> {
  const { vo, ceName, statuses, ids, after } = filter;
  const isByIds = ids !== undefined || after !== undefined;
  const query =
    isByIds || (vo === undefined && ceName === undefined && statuses === undefined)
      ? byIds(filter, limit)
      : byShares(filter, limit);
  const { rows } = await query.execute(transaction.getKysely());
  return rows;
}
