import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import type { Random } from "./random.ts";

/** How many pilots a status round moved. */
export interface Transitions {
  /** From RUNNING to DONE. */
  readonly done: number;
  /** From RUNNING to FAILED. */
  readonly failed: number;
  /** From SUBMITTED to RUNNING. */
  readonly started: number;
}

/**
 * One status round over one VO's pilots. RUNNING ones become DONE or FAILED by their CE's success rate; then SUBMITTED
 * ones become RUNNING. It takes two statements for any number of pilots. Each changes only pilots that still have the
 * status it expects.
 *
 * `random` is called once. Each pilot's own chance follows from that number and the pilot's id, so a seeded `random`
 * gives the same ends. A pilot whose CE was removed stays RUNNING, since its end is not known.
 */
export async function transitionPilotStates(
  transaction: Transaction,
  { vo, random }: { readonly vo: string; readonly random: Random },
): Promise<Transitions> {
  const db = transaction.getKysely<PilotDb>();
  const seed = String(random());
  const ended = await sql<{ done: number; failed: number }>`
    with ended as (
      update pilot
      set updated_at = now(),
        -- 32 bits of the hash, as a fraction of 1.
        status = case
          when ('x' || left(md5(${seed} || '/' || pilot.id), 8))::bit(32)::bigint / 4294967296.0 < ce.success_rate then 'DONE'
          else 'FAILED'
        end
      from compute_element ce
      where ce.name = pilot.ce_name and pilot.vo = ${vo} and pilot.status = 'RUNNING'
      returning pilot.status
    )
    select count(*) filter (where status = 'DONE') as done, count(*) filter (where status = 'FAILED') as failed
    from ended`.execute(db);
  const started = await db
    .updateTable("pilot")
    .set({ status: "RUNNING", updated_at: sql<Date>`now()` })
    .where("vo", "=", vo)
    .where("status", "=", "SUBMITTED")
    .executeTakeFirstOrThrow();
  return {
    done: ended.rows[0]?.done ?? 0,
    failed: ended.rows[0]?.failed ?? 0,
    started: Number(started.numUpdatedRows),
  };
}
