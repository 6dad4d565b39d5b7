/**
 * The business of Muster over MikroORM and PostgreSQL: compute elements, pilots, and the ledger of tasks.
 *
 * Functions take a transaction and never open one:
 *
 * ```ts
 * await using database = await openDatabase({ url });
 * const ces = await database.transaction((transaction) => listCes(transaction));
 * ```
 */
export {
  addCe,
  type CeChange,
  CeExistsError,
  ceSettings,
  changeCe,
  disableCe,
  enableCe,
  type NewCe,
  removeCe,
  UnknownCeError,
} from "./ces/administer_ces.ts";
export { type CeOverview, listCes } from "./ces/list_ces.ts";
export { CeName, VoName } from "./ces/names.ts";
export { DatabaseGoneError, DatabaseTooOldError, TransactionFailedError } from "./database/failures.ts";
export type { Orm, Transaction } from "./database/transaction.ts";
export { ComputeElement } from "./entities/compute_element.ts";
export { LockFence } from "./entities/lock_fence.ts";
export { Pilot, PILOT_STATUSES, type PilotStatus } from "./entities/pilot.ts";
export { PilotRequest } from "./entities/pilot_request.ts";
export { LEDGER_OUTCOMES, type LedgerOutcome, TaskOutcome } from "./entities/task_outcome.ts";
export { type Fence, FenceRefusedError } from "./ledger/fence.ts";
export {
  getHighestFence,
  getOutcomeSummary,
  listRetries,
  listUnpublished,
  type OutcomeSummary,
  pruneLedger,
  type RecordedRetry,
  rereadRetries,
  type StandingRetry,
} from "./ledger/ledger_reports.ts";
export type { Json, OutcomeRow, RetryMessage, SpawnedTask } from "./ledger/outcome_row.ts";
export { type Claim, type CommitAnswer, type TaskWork, WorkEndedError } from "./ledger/task_work.ts";
export type { UnitOfWork } from "./ledger/unit_of_work.ts";
export { type Database, type DatabaseOptions, openDatabase } from "./open_database.ts";
export { type ActivePilots, listActivePilots, writeOffPilots } from "./pilots/active_pilots.ts";
export { type AvailableCe, getAvailableCes } from "./pilots/available_ces.ts";
export { listHeardOfVos } from "./pilots/heard_of_vos.ts";
export {
  dropRequests,
  listOldRequests,
  type NewPilotRequest,
  type PilotRequested,
  requestPilots,
} from "./pilots/pilot_requests.ts";
export {
  getMaxActiveOverCapacity,
  getPilotShares,
  getPilotSummary,
  type PilotShare,
  type PilotSummary,
} from "./pilots/pilot_summary.ts";
export {
  CeClosedError,
  type PilotOrder,
  PilotSubmissionError,
  type Submission,
  submitPilot,
} from "./pilots/submit_pilot.ts";
export { type Transitions, transitionPilotStates } from "./pilots/transition_pilots.ts";
export { type Random, seededRandom } from "./pilots/random.ts";
export { CeNamesCollideError } from "./schema/m0002_ce_names.ts";
export { SchemaDamagedError } from "./schema/check_schema.ts";
export { migrate, type MigrateOptions } from "./schema/migrate.ts";
export { requireMigrated, SchemaAheadError, SchemaBehindError } from "./schema/require_migrated.ts";
