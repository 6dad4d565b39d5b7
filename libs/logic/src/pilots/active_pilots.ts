import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";

/** The active pilots of one VO: each holds a slot of its CE. */
export interface ActivePilots {
  readonly vo: string;
  readonly active: number;
}

/**
 * Counts the active pilots of each VO that has some, by VO, also of VOs that are gone. One query, which reads active
 * pilots only.
 */
export async function listActivePilots(transaction: Transaction): Promise<readonly ActivePilots[]> {
  const { rows } = await sql<ActivePilots>`
    select vo, count(*) as active from pilot where status in ('SUBMITTED', 'RUNNING')
    group by vo order by vo`.execute(transaction.getKysely());
  return rows;
}

/**
 * Gives up a VO's active pilots: they become FAILED, and their slots are free. Returns how many.
 *
 * For a VO that is gone, since no task checks its pilots any more. The caller must know that it is gone, and what the
 * grid still runs.
 */
export async function writeOffPilots(transaction: Transaction, vo: string): Promise<number> {
  const { numUpdatedRows } = await transaction
    .getKysely<PilotDb>()
    .updateTable("pilot")
    .set({ status: "FAILED", updated_at: sql<Date>`now()` })
    .where("vo", "=", vo)
    .where("status", "in", ["SUBMITTED", "RUNNING"])
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}
