import { sql } from "kysely";
import type { Transaction } from "@muster/ledger";

/** Most VOs in one list. */
const LISTED = 1_000;

/**
 * The VOs that pilots or outcomes of tasks name, by name. After the loss of the configuration nothing else names them.
 *
 * Reads all outcomes, so do not call it often.
 */
export async function listHeardOfVos(transaction: Transaction): Promise<readonly string[]> {
  const { rows } = await sql<{ vo: string }>`
    select vo from (select vo from pilot union select vo from task_outcome) as heard
    where vo <> '_' order by vo limit ${LISTED}`.execute(transaction.getKysely());
  return rows.map(({ vo }) => vo);
}
