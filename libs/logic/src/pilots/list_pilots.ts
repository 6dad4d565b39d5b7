import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import type { PilotStatus } from "../entities/pilot.ts";

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

/** Lists at most `limit` pilots, the newest first. One query. */
export async function listPilots(
  transaction: Transaction,
  { vo, ceName, statuses, ids, before, after }: PilotFilter,
  limit: number,
): Promise<readonly PilotRow[]> {
  let query = transaction
    .getKysely<PilotDb>()
    .selectFrom("pilot")
    .select(["id", "ce_name as ceName", "vo", "status"])
    .select(["submitted_at as submittedAt", "updated_at as updatedAt", "task_id as taskId"])
    .orderBy("id", "desc")
    .limit(limit);
  if (vo !== undefined) query = query.where("vo", "=", vo);
  if (ceName !== undefined) query = query.where("ce_name", "=", ceName);
  if (statuses !== undefined) query = query.where("status", "in", [...statuses]);
  if (ids !== undefined) query = query.where("id", "in", [...ids]);
  if (after !== undefined) query = query.where("id", ">", after);
  if (before !== undefined) query = query.where("id", "<", before);
  return await query.execute();
}
