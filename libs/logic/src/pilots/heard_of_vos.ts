import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";
import { sharesByState } from "../entities/shares_by_state.ts";

/** Most VOs in one list. */
const LISTED = 1_000;

/** Most outcomes that are looked at, the newest ones. */
const LOOKED_AT = 100_000;

/**
 * The VOs that pilots or outcomes of tasks name, by name. After the loss of the configuration nothing else names them. Of outcomes it reads the
 * newest 100,000.
 */
export async function listHeardOfVos(transaction: Transaction): Promise<readonly string[]> {
  const { rows } = await sql<{ vo: string }>`
    select vo from (
      select vo from (${sharesByState}) as share
      union
      select vo from (select vo from task_outcome order by settled_at desc limit ${LOOKED_AT}) as newest
    ) as heard
    where vo <> '_' order by vo limit ${LISTED}`.execute(transaction.getKysely());
  return rows.map(({ vo }) => vo);
}
