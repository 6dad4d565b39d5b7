import { sql } from "kysely";
import { asStored } from "../ces/names.ts";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import { answeredRequests } from "./answered_requests.ts";

/** A pilot that a spawned task is to submit. */
export interface NewPilotRequest {
  /** The spawned task. */
  readonly taskId: string;
  readonly ceName: string;
  readonly vo: string;
}

/**
 * Notes pilots that were asked for, so that the next round does not ask for them again. Also forgets requests of the
 * same VOs whose task has an outcome. One statement; none for an empty list.
 */
export async function requestPilots(transaction: Transaction, requests: readonly NewPilotRequest[]): Promise<void> {
  if (requests.length === 0) return;
  const vos = [...new Set(requests.map(({ vo }) => vo))];
  await sql`
    with ${answeredRequests(sql`vo = any (${vos}::text[])`)}, forgotten as (
      delete from pilot_request using answered where pilot_request.task_id = answered.task_id
    )
    insert into pilot_request (task_id, ce_name, vo)
    select * from unnest(
      ${requests.map(({ taskId }) => taskId)}::text[],
      ${requests.map(({ ceName }) => asStored(ceName))}::text[],
      ${requests.map(({ vo }) => vo)}::text[])
    on conflict (task_id) do nothing`.execute(transaction.getKysely());
}

/** Age of a request without an outcome at which its message may be lost, as an SQL interval. */
const LOST_AFTER = "10 minutes";

/** A pilot that was asked for. */
export interface PilotRequested {
  /** The task that is to submit it. */
  readonly taskId: string;
  readonly vo: string;
}

/** Requests older than 10 minutes whose task has no outcome, by task id, at most `limit` from behind `after`. */
export async function listOldRequests(
  transaction: Transaction,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly PilotRequested[]> {
  const { rows } = await sql<PilotRequested>`
    with ${answeredRequests(sql`task_id > ${after} and requested_at < now() - ${LOST_AFTER}::interval`)}
    select task_id as "taskId", vo from asked
    where not exists (select from answered where answered.task_id = asked.task_id)
    order by task_id
    limit ${limit}`.execute(transaction.getKysely());
  return rows;
}

/** Drops requests whose messages are lost, which frees their slots. Returns how many. */
export async function dropRequests(transaction: Transaction, taskIds: readonly string[]): Promise<number> {
  if (taskIds.length === 0) return 0;
  const { numDeletedRows } = await transaction
    .getKysely<PilotDb>()
    .deleteFrom("pilot_request")
    .where(sql<boolean>`task_id = any (${taskIds}::text[])`)
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
