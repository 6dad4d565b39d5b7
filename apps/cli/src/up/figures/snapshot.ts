import { type CeOverview, type Database, getPilotShares, listCes, type PilotShare } from "@muster/logic";
import { readSummary, type UpSummary } from "./summary.ts";

/** What the database holds at one moment. */
export interface Snapshot {
  readonly ces: readonly CeOverview[];
  readonly shares: readonly PilotShare[];
  readonly summary: UpSummary;
}

/** Reads what the display shows. */
export async function readSnapshot(database: Database): Promise<Snapshot> {
  const summary = await readSummary(database);
  return await database.transaction(async (transaction) => {
    const ces = await listCes(transaction);
    return { summary, ces, shares: await getPilotShares(transaction) };
  });
}
