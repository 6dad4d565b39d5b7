import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";

/** A pilot that a spawned task is to submit. */
export interface NewPilotRequest {
  /** The spawned task. */
  readonly taskId: string;
  readonly ceName: string;
  readonly vo: string;
}

/**
 * Notes pilots that were asked for, so that the next round does not ask for them again; and forgets those of the same
 * VOs whose task has had its outcome. One statement; none for an empty list.
 */
export async function requestPilots(transaction: Transaction, requests: readonly NewPilotRequest[]): Promise<void> {
  if (requests.length === 0) return;
  const vos = [...new Set(requests.map(({ vo }) => vo))];
  await sql`
    with answered as (
      delete from pilot_request request
      where request.vo = any (${vos}) and exists (select from task_outcome outcome where outcome.task_id = request.task_id)
    )
    insert into pilot_request (task_id, ce_name, vo)
    select * from unnest(
      ${requests.map(({ taskId }) => taskId)}::text[],
      ${requests.map(({ ceName }) => ceName)}::text[],
      ${requests.map(({ vo }) => vo)}::text[])
    on conflict (task_id) do nothing`.execute(transaction.getKysely());
}

/** How long a request may go without an outcome before its message may be taken for lost, as an SQL interval. */
const LOST_AFTER = "10 minutes";

/**
 * Drops requests older than 10 minutes whose message was lost, and answers how many. `emptyVos` are the VOs for which
 * no such task waits to run, `delayed` the ids of those that wait for their time: the caller must have looked after the
 * requests were that old.
 */
export async function dropLostRequests(
  transaction: Transaction,
  emptyVos: readonly string[],
  delayed: readonly string[] = [],
): Promise<number> {
  if (emptyVos.length === 0) return 0;
  const { numDeletedRows } = await transaction
    .getKysely()
    .deleteFrom("pilot_request")
    .where("vo", "in", emptyVos)
    .where(sql<boolean>`task_id <> all (${delayed}::text[])`)
    .where("requested_at", "<", sql<Date>`now() - ${LOST_AFTER}::interval`)
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
