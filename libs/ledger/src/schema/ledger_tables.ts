import { LockFence } from "../entities/lock_fence.ts";
import { TaskOutcome } from "../entities/task_outcome.ts";
import { CreateTables } from "./m0001_tables.ts";
import { KeepRetryMessages } from "./m0003_retry_messages.ts";
import { checkSets, type TableSet, type TablesOf } from "./table_set.ts";

/** The ledger's own entities. */
export const ledgerEntities = [TaskOutcome, LockFence] as const;

/** The ledger's own tables, as Kysely knows them. */
export type LedgerDb = TablesOf<typeof ledgerEntities>;

/** The ledger's own tables. Number 2 is missing: it belonged to another set when all sets shared one list. */
export const ledgerTables: TableSet = {
  name: "ledger",
  entities: ledgerEntities,
  migrations: [
    { name: "0001_tables", class: CreateTables },
    { name: "0003_retry_messages", class: KeepRetryMessages },
  ],
  rights: {
    task_outcome: ["select", "insert", "update"],
    lock_fence: ["select", "insert", "update"],
  },
  inFormerList: ["0001_tables", "0003_retry_messages"],
};

/** All sets of a database in the order in which they are migrated: the ledger's first. Throws `TypeError`. */
export function withLedger(sets: readonly TableSet[]): readonly TableSet[] {
  const all = [ledgerTables, ...sets];
  checkSets(all);
  return all;
}
