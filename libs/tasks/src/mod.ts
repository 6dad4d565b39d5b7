export { type AccessField, type NatsAccess, NatsAccessError, withoutSecrets } from "./access/nats_access.ts";
export { canonicalJson, type Json, type JsonObject } from "./definition/json.ts";
export { defineLockType, type Lock, type LockType, LockTypeTakenError, lockTypeNames } from "./definition/lock_type.ts";
export type { PublishableTask, ScheduleOptions, SpawnOptions } from "./definition/publishable.ts";
export { exponentialBackoff, NeverRetry, noRetry, RetryTask, type RetryPolicy } from "./definition/retry.ts";
export { InvalidScheduleError } from "./definition/invalid_schedule.ts";
export {
  cron,
  type CronSchedule,
  every,
  type Interval,
  type IntervalSchedule,
  type Schedule,
} from "./definition/schedule.ts";
export { parseSchedule, printSchedule } from "./definition/schedule_text.ts";
export {
  type AnyTask,
  atLeastOnceFactory,
  type Priority,
  type Run,
  type Size,
  type TaskDefinition,
  type TaskFactory,
  taskFactory,
} from "./definition/task.ts";
export type {
  Claim,
  CommitAnswer,
  Fence,
  OutcomeRow,
  RetryMessage,
  SpawnedTask,
  Ledger,
  LedgerTransaction,
} from "./definition/ledger.ts";
export {
  countDeadLetters,
  type DeadFilter,
  deadLetters,
  findDeadLetter,
  type StoredDeadLetter,
  UnknownDeadLetterError,
} from "./dead/dead_letters.ts";
export { requeueDeadLetter, type Requeued, requeueDeadLetters } from "./dead/requeue.ts";
export { NoPublisherError } from "./definition/ambient.ts";
export { PayloadRefusedError } from "./definition/payload.ts";
export { LeaseLostError } from "./locks/lease.ts";
export { listLocksByHand } from "./locks/locks_by_hand.ts";
export { listStoredByHand, type StoredByHand } from "./broker/stored_by_hand.ts";
export { type BrokerOptions, openBroker } from "./locks/open_broker.ts";
export {
  checkPublishable,
  createPublisher,
  type Publisher,
  type PublishOptions,
  publishSpawned,
} from "./publish/publisher.ts";
export type { Published } from "./publish/store.ts";
export { type DelayedTask, type DelayedTasks, listDelayed } from "./publish/delayed.ts";
export { measureUsage, type StorageUsage, type Usage, type VoShare } from "./publish/usage.ts";
export { findStored, listWaiting, type Waiting } from "./publish/waiting.ts";
export {
  findLostRetries,
  findLostTasks,
  type PublishedTask,
  publishRetry,
  type WholeRetry,
} from "./later/lost_messages.ts";
export { measureClock } from "./lead/broker_clock.ts";
export { type ScheduleTarget, withSchedule, withScheduleSwitched } from "./schedule/change_schedule.ts";
export { isTaskCharge } from "./lead/charges.ts";
export { findLeaders, type FoundLeaders } from "./lead/leaders.ts";
export { type PauseNote, pauseSchedule, type PauseTarget, resumeSchedule } from "./schedule/pauses.ts";
export type { Chore } from "./lead/repeat.ts";
export { runScheduler, type SchedulerOptions, type SchedulerRole } from "./schedule/run_scheduler.ts";
export { type ScheduleInForce, schedulesInForce } from "./schedule/in_force.ts";
export { type ScheduleRow, scheduleTable, type TableOptions } from "./schedule/schedule_table.ts";
export { type RunningScheduler, startScheduler, type StartSchedulerOptions } from "./schedule/start_scheduler.ts";
export { listUnserved, type UnservedTask } from "./sweep/unserved.ts";
export { listUnknownTasks, type UnknownTask } from "./sweep/unknown_tasks.ts";
export { DrainedError, type DepsInput, TaskTimeoutError } from "./run/attempt.ts";
export { type Called, callTask, type CallOptions } from "./worker/call_task.ts";
export { inspectConsumers } from "./pull/lane_consumer.ts";
export { listNewerPayloads } from "./run/newer_payloads.ts";
export { listWorkers, type NewerPayload, type WorkerRecord } from "./presence/registration.ts";
export { untilWorkersShown } from "./presence/workers_shown.ts";
export { type RunningWorker, startWorker, type TaskOver, type WorkerOptions } from "./worker/start_worker.ts";
export type { WorkerHealth } from "./worker/worker_parts.ts";
export { WorkerSpentError } from "./worker/worker.ts";
export type { Broker } from "./broker/broker.ts";
export {
  activeVos,
  type Configuration,
  type TaskSettings,
  type VoSettings,
  withoutVo,
  withVo,
} from "./configuration/configuration.ts";
export {
  changeConfiguration,
  type ChangeOptions,
  ConfigurationError,
} from "./configuration/change_configuration.ts";
export {
  type ConfigurationProblem,
  findConfiguration,
  type FoundConfiguration,
  readConfiguration,
} from "./configuration/stored_configuration.ts";
export { checkNatsAccess, connectNats, type ConnectOptions, ServerTooOldError } from "./connection/connection.ts";
export { ForbiddenError } from "./connection/forbidden.ts";
export { JetStreamOffError } from "./connection/jetstream_off.ts";
export { type Incident, listIncidents } from "./broker/incidents.ts";
export { inspectRights, type MissingRight } from "./broker/inspect_rights.ts";
export { inspectStreams, type StreamState } from "./streams/inspect_streams.ts";
export { describeDifference, type Difference } from "./streams/settings_check.ts";
export { checkTaskId } from "./format/delivery.ts";
export { checkInstanceName, checkTaskName, checkVoName, InvalidNameError, NO_VO } from "./format/names.ts";
export { type Observer, silentObserver, type Step, type StepName } from "./connection/observer.ts";
export { tryToStore, watchOtherStores, watchStorage } from "./broker/watch_storage.ts";
export type { Storage } from "./streams/storage.ts";
export { StorageLimitError } from "./streams/storage_errors.ts";
export { PublishUnknownError } from "./broker/publish_surely.ts";
