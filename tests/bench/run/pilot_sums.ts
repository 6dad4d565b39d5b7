import type { Database } from "@muster/ledger";
import type { Submissions } from "../actors/pilot_verbs.ts";

interface CeSums {
  readonly ceName: string;
  readonly pilots: number;
  readonly apart: number;
}

/**
 * Checks that each CE has its share of the pilots and no other. Returns the number of submissions that ran beside another one on their CE.
 *
 * Each submission notes how many pilots of its CE it has counted. Of two that count the same number, neither has seen the other, so both ran
 * at the same time. Where they come one after the other, all numbers are different.
 */
export async function countOverlaps(database: Database, { count, ceNames }: Submissions): Promise<number> {
  const sums = await database.transaction((transaction) =>
    transaction.execute<CeSums[]>(
      `select ce_name as "ceName", count(*)::int as pilots, count(distinct active_before)::int as apart
       from pilot where ce_name = any(?) group by ce_name`,
      [`{${ceNames.map((name) => JSON.stringify(name)).join(",")}}`],
    ),
  );
  const share = count / ceNames.length;
  for (const ceName of ceNames) {
    const { pilots = 0 } = sums.find((each) => each.ceName === ceName) ?? {};
    if (pilots !== share)
      throw new Error(`Cannot measure: ${ceName} has ${pilots} pilots, and ${share} were asked for`);
  }
  return sums.reduce((overlaps, { pilots, apart }) => overlaps + pilots - apart, 0);
}
