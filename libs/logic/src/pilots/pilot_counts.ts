import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import type { PilotStatus } from "../entities/pilot.ts";

/** Number of pilots of one CE in one state. */
export interface PilotCount {
  /** Null for the pilots of all CEs that were removed. */
  readonly ceName: string | null;
  readonly status: PilotStatus;
  readonly count: number;
}

/** Counts all pilots by CE and state. One query, which looks at each pilot's index entry: some 100 ms for a million. */
export async function countPilots(transaction: Transaction): Promise<readonly PilotCount[]> {
  const { rows } = await sql<PilotCount>`
    with counted as (select ce_name, status, count(*) as count from pilot group by ce_name, status)
    select ce.name as "ceName", counted.status, sum(counted.count)::bigint as count
    from counted left join compute_element ce on ce.name = counted.ce_name
    group by ce.name, counted.status
    order by ce.name, counted.status`.execute(transaction.getKysely());
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
