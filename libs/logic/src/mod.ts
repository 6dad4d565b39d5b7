/**
 * The business of Muster over MikroORM and PostgreSQL: compute elements and pilots.
 *
 * Functions take a transaction and never open one:
 *
 * ```ts
 * import { openDatabase } from "@muster/ledger";
 * await using database = await openDatabase({ url, tables: [pilotTables] });
 * const ces = await database.transaction((transaction) => listCes(transaction));
 * ```
 *
 * @module @muster/logic
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
export { type ActiveShare, type CeState, listCeStates } from "./ces/list_ce_states.ts";
export { CeName, VoName } from "./ces/names.ts";
export type { TableSet, Transaction } from "@muster/ledger";
export { type PilotDb, pilotEntities } from "./entities/all.ts";
export { ComputeElement } from "./entities/compute_element.ts";
export { Pilot, PILOT_STATUSES, type PilotStatus } from "./entities/pilot.ts";
export { ENDED_STATUSES, PilotEnded } from "./entities/pilot_ended.ts";
export { PilotRequest } from "./entities/pilot_request.ts";
export { type ActivePilots, listActivePilots, writeOffPilots } from "./pilots/active_pilots.ts";
export { type AvailableCe, getAvailableCes } from "./pilots/available_ces.ts";
export { listHeardOfVos } from "./pilots/heard_of_vos.ts";
export { listPilots, type PilotFilter, type PilotRow } from "./pilots/list_pilots.ts";
export {
  dropRequests,
  listOldRequests,
  type NewPilotRequest,
  type PilotRequested,
  requestPilots,
} from "./pilots/pilot_requests.ts";
export { type CeSlots, countPilots, listCeSlots, type PilotCount } from "./pilots/pilot_counts.ts";
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
export { type PilotPruning, type PilotsPruned, prunePilots } from "./pilots/prune_pilots.ts";
export { type Random, seededRandom } from "./pilots/random.ts";
export { CeNamesCollideError, keepCes } from "./schema/m0002_ce_names.ts";
export { pilotTables } from "./schema/pilot_tables.ts";
