import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

/** Names of VOs at most. */
const LISTED = 1_000;

/**
 * The VOs that pilots or outcomes of tasks name, by name: what is left to tell of them where the configuration was lost.
 *
 * Reads all outcomes, so it is not for what is asked often.
 */
export async function listHeardOfVos(transaction: Transaction): Promise<readonly string[]> {
  const { rows } = await sql<{ vo: string }>`
    select vo from (select vo from pilot union select vo from task_outcome) as heard
    where vo <> '_' order by vo limit ${LISTED}`.execute(transaction.getKysely());
  return rows.map(({ vo }) => vo);
}
