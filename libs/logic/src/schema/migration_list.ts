import { CreateTables } from "./m0001_tables.ts";
import { LowerCeNames } from "./m0002_ce_names.ts";
import { KeepRetryMessages } from "./m0003_retry_messages.ts";

/**
 * Every migration, oldest first. A name that has been applied anywhere is never changed; a list and no search of a
 * folder, so that the build holds it too.
 */
export const migrations = [
  { name: "0001_tables", class: CreateTables },
  { name: "0002_ce_names", class: LowerCeNames },
  { name: "0003_retry_messages", class: KeepRetryMessages },
] as const;

/** Where the database remembers which of them it has. */
export const MIGRATION_TABLE = "muster_migration";
