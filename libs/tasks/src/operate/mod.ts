/**
 * For programs that operate a system, as the `muster` command and its doctor do: configure it, see what waits and runs, diagnose and mend it.
 * Authors of tasks, publishers and workers need none of it.
 *
 * ```ts
 * await changeConfiguration(broker, (now) => withVo(now, "lhcb"));
 * for (const incident of await listIncidents(broker)) console.log(incident);
 * ```
 *
 * @module @muster/tasks/operate
 */

// Configure: VOs, schedules and pauses.
export {
  activeVos,
  type Configuration,
  type TaskSettings,
  type VoSettings,
  withVo,
  withoutVo,
} from "../configuration/configuration.ts";
export { changeConfiguration, type ChangeOptions } from "../configuration/change_configuration.ts";
export { ConfigurationError } from "../configuration/change_steps.ts";
export {
  applyPlan,
  ConfigurationChangedError,
  type ConfigurationPlan,
  planFile,
} from "../configuration/apply_file.ts";
export type { ConfigurationChange } from "../configuration/configuration_changes.ts";
export {
  type CheckedFile,
  checkConfigurationFile,
  type ConfigurationFile,
  fileOf,
} from "../configuration/configuration_file.ts";
export type { FieldProblem } from "../configuration/field_problem.ts";
export { configurationJsonSchema } from "../configuration/json_schema.ts";
export { taskForAllVos } from "../configuration/tasks_in_force.ts";
export { nearestName } from "../configuration/nearest_name.ts";
export {
  type ConfigurationProblem,
  findConfiguration,
  type FoundConfiguration,
  readConfiguration,
} from "../configuration/stored_configuration.ts";
export {
  type InstanceChange,
  type InstanceTarget,
  type ScheduleTarget,
  withInstance,
  withoutInstance,
  withSchedule,
  withScheduleSwitched,
} from "../schedule/change_schedule.ts";
export { localTime, readTimeZone, timesFrom } from "../schedule/coming.ts";
export { type Triggered, type TriggerOptions, triggerSchedule, UnknownInstanceError } from "../schedule/trigger.ts";
export { pauseSchedule, type PauseTarget, resumeSchedule } from "../schedule/pauses.ts";
export type { PauseNote } from "../queue/pause_book.ts";
export { listQueuePauses, pauseQueue, pausesHolding, type QueuePause, resumeQueue } from "../queue/queue_pauses.ts";
export type { QueueTarget } from "../queue/queue_target.ts";

export { parseLengthMs } from "../calendar/length_text.ts";
// Look at dead letters, requeue and drop them.
export { type DeadPage, type DeadPageFilter, pageOfDeadLetters } from "../dead/dead_page.ts";
export {
  countDeadByQueue,
  countDeadLetters,
  type DeadCount,
  type DeadFilter,
  type DeadList,
  deadLetters,
  findDeadLetter,
  listDeadLetters,
  type StoredDeadLetter,
  UnknownDeadLetterError,
} from "../dead/dead_letters.ts";
export {
  checkRequeuable,
  type RefusedLetter,
  requeueDeadLetter,
  type Requeued,
  requeueDeadLetters,
  type RequeueOptions,
} from "../dead/requeue.ts";

export {
  type CountedLetters,
  countToDrop,
  DeadLettersChangedError,
  dropDeadLetter,
  dropDeadLetters,
} from "../dead/drop.ts";

// Cancel tasks.
export { cancelTask, type Cancelled, type CancelOptions, noteTooLate } from "../cancel/cancel_task.ts";
export type { FoundMessage } from "../cancel/find_message.ts";

// Look at groups.
export { cancelGroup, childrenOfGroup, type GroupState, listGroups, readGroup } from "../group/list_groups.ts";
// Look at one task, and follow it to its end.
export { type FindOptions, type FoundTask, findTask, type TaskState } from "../follow/find_task.ts";
export { type FollowOptions, followTask, type FollowUpdate } from "../follow/follow_task.ts";
export { eventLines } from "../format/event_lines.ts";
export {
  recentEvents,
  type RecentEvents,
  type RecentEventsOptions,
  type RecentMessage,
} from "../follow/recent_events.ts";
export type { TaskEvent } from "../follow/task_events.ts";
export type { StoredProgress } from "../result/progress.ts";
export { type EndOutcome, type KeptResult, readKeptResult } from "../result/kept_result.ts";

// See what waits, runs and comes.
export { type DelayedTask, type DelayedTasks, listDelayed } from "../publish/delayed.ts";
export { type CheckIssue, plainProblem } from "../format/plain_problem.ts";
export { payloadHash } from "../definition/payload.ts";
export { findStored, listWaiting, type StoredTask, type Waiting } from "../publish/waiting.ts";
export { NoStreamError, type RawMessage, type StoredRaw, storeRaw } from "../publish/store_raw.ts";
export { listQueues, type QueueFigures, type QueueOptions } from "../follow/list_queues.ts";
export { pageOfWaiting, type WaitingPage, type WaitingPageOptions, type WaitingTask } from "../publish/waiting_page.ts";
export { listWorkers, type NewerPayload, type WorkerRecord } from "../presence/registration.ts";
export { drainWorker, UnknownWorkerError, type WorkerDrain } from "../presence/drain_worker.ts";
export { untilWorkersShown } from "../presence/workers_shown.ts";
export { listNewerPayloads } from "../run/newer_payloads.ts";
export { doesNotFire, scheduleTable, type ScheduleRow, type TableOptions } from "../schedule/schedule_table.ts";
export { listOverdue, type OverdueOptions, type OverdueSchedule } from "../schedule/list_overdue.ts";
export { type ScheduleInForce, schedulesInForce } from "../schedule/in_force.ts";
export { instanceProblems, InstanceRefusedError } from "../due/instances.ts";
export { findLeaders, type FoundLeaders } from "../lead/leaders.ts";
export { listUnserved, type UnservedTask } from "../sweep/unserved.ts";
export { listUnknownTasks, type UnknownTask } from "../sweep/unknown_tasks.ts";
export { listUnknownVos, type UnknownVo } from "../sweep/unknown_vos.ts";
export { measureUsage, type StorageUsage, type Usage, type VoShare } from "../publish/usage.ts";

// Keep and see who did what.
export { recordAudit } from "../audit/record_audit.ts";
export type { Audited, AuditRecord } from "../audit/audit_record.ts";
export { type AuditFilter, type AuditPage, listAudit, type StoredAuditRecord } from "../audit/list_audit.ts";

// Notice that NATS or the database was restored to an earlier state.
export { dateFall, holdsWork } from "../broker/date_fall.ts";
export { compareStores, type FallenStream, type StoreFall, type StoresSeen } from "../broker/compare_stores.ts";
export {
  type NatsMark,
  type NatsMarkState,
  type PositionNow,
  type Positions,
  readNatsMark,
  readPositions,
  type StreamPosition,
  writeNatsMark,
} from "../broker/store_mark.ts";
export { type FallWatch, type FallWatchOptions, NatsFellError, watchFall } from "../broker/watch_fall.ts";
export { raiseAfterRest, raiseLocks, type RaiseOptions, type RestedOptions } from "../lease/raise.ts";
export { countStepsSince } from "../follow/count_events.ts";
// Give the users of NATS their rights.
export { isCovered, mayPublishNow } from "../connection/own_rights.ts";
export { operatorRights, type Rights, type RightsTask } from "../rights/rights.ts";
export { inboxPrefixOf, usersFile, type UsersLayout, type WorkerUser } from "../rights/users_file.ts";

// Diagnose: what is not as it must be.
export { INCIDENT_DAYS, type Incident, listIncidents } from "../broker/incidents.ts";
export { inspectedRights, inspectRights, type MissingRight } from "../broker/inspect_rights.ts";
export {
  inspectStreams,
  type StreamCopies,
  type StreamCopy,
  type StreamState,
} from "../streams/inspect_streams.ts";
export { type CopiesWanted, copiesWanted } from "../streams/copies.ts";
export { inspectConsumers } from "../pull/lane_consumer.ts";
export { describeDifference, type Difference } from "../streams/settings_check.ts";
export { listLocksByHand } from "../lease/locks_by_hand.ts";
export { listLocks, lockOfKey, type ShownLease, type ShownLock, type ShownWaiting } from "../presence/list_locks.ts";
export { NotHeldError, releaseLock, type ReleasedLock, type ReleaseOptions } from "../presence/release_lock.ts";
export { listStoredByHand, type StoredByHand } from "../broker/stored_by_hand.ts";
export { measureClock } from "../lead/broker_clock.ts";
export { checkNatsAccess } from "../connection/connection.ts";
export { withoutSecrets } from "../access/nats_access.ts";
export { plainSilence } from "../broker/publish_surely.ts";
export { tryToStore, watchOtherStores, watchStorage } from "../broker/watch_storage.ts";
export type { Storage } from "../streams/storage.ts";
export { isTaskCharge } from "../lead/charges.ts";

// Mend: what a ledger says was never published.
export {
  findLostRetries,
  findLostTasks,
  type PublishedTask,
  publishRetry,
  type WholeRetry,
} from "../later/lost_messages.ts";
export { publishSpawned } from "../group/publish_spawned.ts";
export { type Stored, storeTasks, type WrittenTask } from "../publish/store_tasks.ts";
export { createHookGate, type Gated, type HookGate } from "../publish/hook_gate.ts";

// For an app that is put together from parts.
export { checkTaskId } from "../format/delivery.ts";
export { checkInstanceName, checkTaskName, checkVoName } from "../format/names.ts";
export { canonicalJson } from "../definition/json.ts";
