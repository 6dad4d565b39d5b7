import type { Database, OutcomeTally } from "@muster/ledger";
import { type CeOverview, getPilotShares, listCes, type PilotShare } from "@muster/logic";
import type { Broker } from "@muster/tasks";
import { countDeadLetters } from "@muster/tasks/operate";
import { hasPilots } from "../../run/extensions.ts";
import { readSummary, type UpSummary } from "./summary.ts";

/** What the database holds at one moment. */
export interface Snapshot {
  readonly ces: readonly CeOverview[];
  readonly shares: readonly PilotShare[];
  readonly summary: UpSummary;
  /**
   * Number of dead letters, as `muster dead list` counts them. It includes those without an outcome in the ledger. Undefined while NATS is
   * silent.
   */
  readonly deadLetters: number | undefined;
}

/** Returns the number of dead letters; undefined where NATS does not answer within 2 s. */
async function readDeadLetters(broker: Broker): Promise<number | undefined> {
  try {
    return await countDeadLetters({ ...broker, jsm: broker.briefJsm });
  } catch {
    return undefined; // the apps report that NATS does not answer
  }
}

/** Where the data comes from. */
export interface SnapshotSources {
  readonly broker: Broker;
  readonly database: Database;
  /** Counts the outcomes from one look to the next. */
  readonly tally: OutcomeTally;
}

/** Reads the data that the display shows. Throws where the database does not answer. */
export async function readSnapshot({ broker, database, tally }: SnapshotSources): Promise<Snapshot> {
  const [deadLetters, summary] = await Promise.all([
    readDeadLetters(broker),
    readSummary(database, (transaction) => tally.read(transaction)),
  ]);
  if (!(await hasPilots())) return { summary, deadLetters, ces: [], shares: [] };
  return await database.transaction(async (transaction) => {
    const ces = await listCes(transaction);
    return { summary, deadLetters, ces, shares: await getPilotShares(transaction) };
  });
}
