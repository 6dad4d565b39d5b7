/**
 * Tasks on NATS JetStream: define, publish, run and schedule them.
 *
 * The names below stand by who wants them. Programs of operators find the rest in `@muster/tasks/operate`, and tests of a task in
 * `@muster/tasks/testing`.
 *
 * ```ts
 * import * as z from "zod";
 *
 * const HelloTask = atLeastOnceFactory()({
 *   name: "HelloTask",
 *   payload: z.strictObject({ name: z.string() }),
 *   execute: ({ payload }) => console.log(`Hello, ${payload.name}`),
 * });
 *
 * const nats = { url: "nats://127.0.0.1:4222" };
 * const broker = await openBroker(await connectNats({ ...nats, name: "greeter" }));
 * await using worker = await startWorker({ broker, nats, app: "greeter", tasks: [HelloTask] });
 * await createPublisher(broker).publish(HelloTask, { payload: { name: "world" } });
 * await worker.ended;
 * ```
 *
 * @module @muster/tasks
 */

// Define: what a module of tasks imports.
export {
  atLeastOnceFactory,
  taskFactory,
  type TaskFactory,
  type TaskDefinition,
  type AnyTask,
  type TaskOver,
  type Run,
  type NoDeps,
} from "./definition/task.ts";
export type { Per, Priority, Size } from "./definition/traits.ts";
export { PeriodicPayloadError } from "./definition/occurrence.ts";
export type {
  ChildGroup,
  EndedChild,
  GroupCallback,
  GroupChild,
  GroupClosing,
  GroupOptions,
  GroupPolicy,
} from "./definition/group.ts";
export type { Json, JsonObject } from "./definition/json.ts";
export {
  cron,
  type CronSchedule,
  every,
  type Interval,
  type IntervalSchedule,
  type RruleSchedule,
  type Schedule,
} from "./calendar/schedule.ts";
export { rrule, type RruleOptions } from "./calendar/rrule.ts";
export {
  type InstanceSpec,
  isPeriodic,
  type Missed,
  type Overlap,
  type OwnMutex,
  type RecurrenceTraits,
  type Spread,
  type TaskInstances,
} from "./definition/recurrence.ts";
export { InvalidScheduleError } from "./calendar/invalid_schedule.ts";
export { parseSchedule, printSchedule } from "./calendar/schedule_text.ts";
export { exponentialBackoff, noRetry, type RetryPolicy, RetryTask, NeverRetry } from "./definition/retry.ts";
export type { RunLog } from "./definition/run_log.ts";
export { type Middleware, middlewareOf, type TaskMessage, type TaskRun } from "./definition/middleware.ts";
export type { PayloadStep, PayloadSteps } from "./definition/migrate.ts";
export {
  type ConcurrencyLimit,
  defineLockType,
  type Limiter,
  type Lock,
  type LockType,
  LockTypeTakenError,
  lockTypeNames,
  type MutexLock,
  type RateLimit,
  type ReadWriteLock,
} from "./definition/lock_type.ts";
export { InvalidLimitError, parseRate, printRate, type Rate } from "./definition/limit_text.ts";
export { PayloadRefusedError } from "./definition/payload.ts";
export { InvalidNameError, NO_VO } from "./format/names.ts";

// Publish: for programs that ask for tasks.
export {
  createPublisher,
  type Publisher,
  type PublisherOptions,
  checkPublishable,
} from "./publish/publisher.ts";
export type { Handle, ResultLedger } from "./publish/handle.ts";
export type { ResultOptions } from "./result/await_result.ts";
export {
  ResultGoneError,
  ResultNotKeptError,
  ResultTimeoutError,
  TaskNotDoneError,
} from "./result/result_errors.ts";
export type { Progress } from "./result/progress.ts";
export type { AsJson, ResultOf } from "./definition/as_json.ts";
export type { Unique } from "./definition/unique.ts";
export type { Published } from "./publish/store.ts";
export { PublishUnknownError } from "./broker/publish_surely.ts";
export { StoredAllTheSameError } from "./publish/publish_hooks.ts";
export type {
  Given,
  PayloadOption,
  PublishableTask,
  PublishOptions,
  ScheduleOptions,
  SpawnOptions,
  VoOption,
} from "./definition/publishable.ts";
export type { OwnHeaders } from "./format/own_headers.ts";
export { NoPublisherError } from "./definition/ambient.ts";
export { StorageLimitError } from "./streams/storage_errors.ts";

// Run: a process that works, and a package that brings a ledger of its own.
export { type NatsAccess, NatsAccessError, type AccessField } from "./access/nats_access.ts";
export { connectNats, type ConnectOptions, ServerTooOldError } from "./connection/connection.ts";
export { ForbiddenError } from "./connection/forbidden.ts";
export { JetStreamOffError } from "./connection/jetstream_off.ts";
export type { Broker } from "./broker/broker.ts";
export { openBroker, type BrokerOptions } from "./lease/open_broker.ts";
export {
  type LineLevel,
  type LocksHeld,
  type Observer,
  type PublishedOccurrence,
  type RunLine,
  silentObserver,
  type Step,
  type StepName,
} from "./connection/observer.ts";
export type { Span, SpanStart, Tracing } from "./connection/tracing.ts";
export { startWorker, type RunningWorker, type WorkerOptions } from "./worker/start_worker.ts";
export type { WorkerHealth } from "./worker/worker_parts.ts";
export type { SharedPart, SharedThread } from "./keeper/keeper_thread.ts";
export type { ThreadCounts, ThreadOptions } from "./thread/thread_pool.ts";
export { WorkerSpentError } from "./worker/worker.ts";
export { type Cancellation, CancelledError } from "./cancel/cancellation.ts";
export { type DepsInput, DrainedError, TaskTimeoutError } from "./run/attempt.ts";
export { LeaseLostError } from "./lease/lease.ts";
export { startScheduler, type RunningScheduler, type StartSchedulerOptions } from "./schedule/start_scheduler.ts";
export type { Chore } from "./lead/repeat.ts";
export { runScheduler, type SchedulerOptions, type SchedulerRole } from "./schedule/run_scheduler.ts";
export { callTask, type Called, type CallOptions } from "./worker/call_task.ts";
export type {
  Ledger,
  LedgerTransaction,
  Claim,
  CommitAnswer,
  Fence,
  OutcomeRow,
  RetryMessage,
  SpawnedGroup,
  SpawnedTask,
} from "./definition/ledger.ts";
