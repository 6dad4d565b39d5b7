import { type Database, getOutcomeSummary, type OutcomeSummary, type Transaction } from "@muster/ledger";
import { getMaxActiveOverCapacity, getPilotSummary, type PilotStatus, type PilotSummary } from "@muster/logic";
import { hasPilots } from "../../run/extensions.ts";

/** The content of the last line that `muster up --for` prints. */
export interface UpSummary {
  readonly pilots: Readonly<Record<PilotStatus, number>>;
  /** Tasks by their last outcome in the ledger. A `failed` task was dropped, or waits for a retry. */
  readonly tasks: { readonly done: number; readonly failed: number; readonly dead: number };
  /** Largest number of pilots above the capacity, by the numbers that each submission's own transaction read. */
  readonly maxActiveOverCapacity: number;
}

/** Builds the summary. A figure that the database does not have is 0. */
export function summarize(pilots: PilotSummary, tasks: OutcomeSummary, maxActiveOverCapacity: number): UpSummary {
  const { SUBMITTED = 0, RUNNING = 0, DONE = 0, FAILED = 0 } = pilots;
  const { done = 0, dropped = 0, retry = 0, dead = 0 } = tasks;
  return {
    pilots: { SUBMITTED, RUNNING, DONE, FAILED },
    tasks: { done, failed: dropped + retry, dead },
    maxActiveOverCapacity,
  };
}

/** Reads the summary from the database. `countTasks` counts the outcomes; default: by reading all rows of the ledger. */
export async function readSummary(
  database: Database,
  countTasks: (transaction: Transaction) => Promise<OutcomeSummary> = getOutcomeSummary,
): Promise<UpSummary> {
  const isWithPilots = await hasPilots();
  return await database.transaction(async (transaction) => {
    if (!isWithPilots) return summarize({}, await countTasks(transaction), 0);
    const pilots = await getPilotSummary(transaction);
    const tasks = await countTasks(transaction);
    return summarize(pilots, tasks, await getMaxActiveOverCapacity(transaction));
  });
}
