/**
 * The ledger of tasks over MikroORM and PostgreSQL: outcomes, fences, the transactions in which tasks write, and the kit by which a
 * package brings tables of its own.
 *
 * ```ts
 * import { migrate, openDatabase } from "@muster/ledger";
 * await migrate(url, { tables: [siteTables] });
 * await using database = await openDatabase({ url, tables: [siteTables] });
 * const highest = await database.transaction(getHighestFence);
 * ```
 *
 * @module @muster/ledger
 */
export {
  DatabaseForbiddenError,
  DatabaseGoneError,
  DatabaseTooOldError,
  TransactionFailedError,
} from "./database/failures.ts";
export type { DatabaseSpan, DatabaseTracing, TraceHeaders, TransactionSpan } from "./database/tracing.ts";
export type { Orm, Transaction } from "./database/transaction.ts";
export { LockFence } from "./entities/lock_fence.ts";
export { LEDGER_OUTCOMES, type LedgerOutcome, TaskOutcome } from "./entities/task_outcome.ts";
export { type Fence, FenceRefusedError } from "./ledger/fence.ts";
export type { Ledger } from "./ledger/ledger.ts";
export {
  type Claim,
  type CommitAnswer,
  type LedgerTransaction,
  TransactionEndedError,
} from "./ledger/ledger_transaction.ts";
export type { Json, OutcomeRow, RetryMessage, SpawnedTask } from "./ledger/outcome_row.ts";
export { createOutcomeTally, type OutcomeTally } from "./ledger/outcome_tally.ts";
export {
  getHighestFence,
  getOutcomeSummary,
  getSettledAt,
  listRetries,
  listUnpublished,
  listVosWithOutcomes,
  type OutcomeSummary,
  pruneLedger,
  type RecordedRetry,
  rereadRetries,
  type StandingRetry,
} from "./ledger/reports.ts";
export {
  countOutcomesSince,
  type MarkWrite,
  type OutcomesSince,
  readStoreMark,
  reopenChildren,
  type StoredMark,
  type StreamPosition,
  writeStoreMark,
} from "./ledger/store_mark.ts";
export type { OutboxListener } from "./outbox/outbox_listener.ts";
export {
  dropRefusedTasks,
  getOutboxSummary,
  listRefusedTasks,
  type OutboxSettled,
  type OutboxSummary,
  type OutboxTask,
  type RefusedChoice,
  type RefusedTask,
  retryRefusedTasks,
  settleOutbox,
  takeOutbox,
} from "./outbox/outbox.ts";
export { type CheckedTask, type PreparableTask, publishWith, type Query, queryOf } from "./outbox/publish_with.ts";
export { type Database, type DatabaseOptions, openDatabase } from "./open_database.ts";
export { DatabaseReadOnlyError, SchemaDamagedError } from "./schema/check_schema.ts";
export { migrate, type MigrateOptions } from "./schema/migrate.ts";
export { SchemaAheadError, SchemaBehindError } from "./schema/require_migrated.ts";
export type { LargeIndex, NamedMigration, TableRight, TableSet, TablesOf } from "./schema/table_set.ts";
