import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotStatus } from "../entities/pilot.ts";
import { sharesByState } from "../entities/shares_by_state.ts";

/** Number of pilots of one CE in one state. */
export interface PilotCount {
  /** Null for the pilots of all CEs that were removed. */
  readonly ceName: string | null;
  readonly status: PilotStatus;
  readonly count: number;
}

/** Counts all pilots by CE and state, also those whose rows were pruned. One query, which reads the rows of active pilots only. */
export async function countPilots(transaction: Transaction): Promise<readonly PilotCount[]> {
  const { rows } = await sql<PilotCount>`
    select ce.name as "ceName", share.status, sum(share.count)::bigint as count
    from (${sharesByState}) as share left join compute_element ce on ce.name = share.ce_name
    group by ce.name, share.status
    order by ce.name, share.status`.execute(transaction.getKysely());
  return rows;
}

/** A CE's slots. */
export interface CeSlots {
  readonly ceName: string;
  readonly capacity: number;
  readonly enabled: boolean;
}

/** The slots of all CEs, by name. One query, which reads no pilot. */
export async function listCeSlots(transaction: Transaction): Promise<readonly CeSlots[]> {
  const { rows } = await sql<CeSlots>`
    select name as "ceName", capacity, enabled from compute_element order by name`.execute(transaction.getKysely());
  return rows;
}
