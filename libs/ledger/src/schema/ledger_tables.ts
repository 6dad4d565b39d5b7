import { LockFence } from "../entities/lock_fence.ts";
import { StoreMark } from "../entities/store_mark.ts";
import { TaskOutbox } from "../entities/task_outbox.ts";
import { TaskOutcome } from "../entities/task_outcome.ts";
import { CreateTables } from "./m0001_tables.ts";
import { KeepRetryMessages, RETRY_INDEXES } from "./m0003_retry_messages.ts";
import { AddOutbox } from "./m0004_outbox.ts";
import { AddStoreMark } from "./m0005_store_mark.ts";
import { BoundLooks, YEAR_INDEXES } from "./m0006_year.ts";
import { checkSets, type TableSet, type TablesOf } from "./table_set.ts";

/** The ledger's own entities. */
export const ledgerEntities = [TaskOutcome, LockFence, TaskOutbox, StoreMark] as const;

/** The ledger's own tables, as Kysely knows them. */
export type LedgerDb = TablesOf<typeof ledgerEntities>;

/** The ledger's own tables. Number 2 is missing: it belonged to another set when all sets shared one list. */
export const ledgerTables: TableSet = {
  name: "ledger",
  entities: ledgerEntities,
  migrations: [
    { name: "0001_tables", class: CreateTables },
    { name: "0003_retry_messages", class: KeepRetryMessages, indexes: RETRY_INDEXES },
    { name: "0004_outbox", class: AddOutbox },
    { name: "0005_store_mark", class: AddStoreMark },
    { name: "0006_year", class: BoundLooks, indexes: YEAR_INDEXES },
  ],
  rights: {
    task_outcome: ["select", "insert", "update"],
    lock_fence: ["select", "insert", "update"],
    task_outbox: ["select", "insert", "update", "delete"],
    store_mark: ["select", "insert", "update"],
  },
  inFormerList: ["0001_tables", "0003_retry_messages"],
};

/** All sets of a database in the order in which they are migrated: the ledger's first. Throws `TypeError`. */
export function withLedger(sets: readonly TableSet[]): readonly TableSet[] {
  const all = [ledgerTables, ...sets];
  checkSets(all);
  return all;
}
