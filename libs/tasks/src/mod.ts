export { canonicalJson, type Json, type JsonObject } from "./definition/json.ts";
export { defineLockType, type Lock, type LockType, LockTypeTakenError, lockTypeNames } from "./definition/lock_type.ts";
export { exponentialBackoff, NeverRetry, noRetry, RetryTask, type RetryPolicy } from "./definition/retry.ts";
export { InvalidScheduleError } from "./definition/invalid_schedule.ts";
export { cron, every, type Schedule } from "./definition/schedule.ts";
export { parseSchedule, printSchedule } from "./definition/schedule_text.ts";
export {
  type AnyTask,
  atLeastOnceFactory,
  type Priority,
  type Run,
  type Size,
  type SpawnOptions,
  type TaskDefinition,
  taskFactory,
} from "./definition/task.ts";
export type { Claim, CommitAnswer, Fence, OutcomeRow, SpawnedTask, UnitOfWork, Work } from "./definition/unit_of_work.ts";
export { type Broker, openBroker } from "./wire/broker.ts";
export {
  activeVos,
  changeConfiguration,
  type Configuration,
  readConfiguration,
  withoutVo,
  withVo,
} from "./wire/configuration.ts";
export { connectNats, ServerTooOldError, withoutSecrets } from "./wire/connection.ts";
export { checkTaskName, checkVoName, InvalidNameError, NO_VO } from "./wire/names.ts";
export { type Observer, silentObserver, type Step, type StepName } from "./wire/observer.ts";
export { PublishUnknownError } from "./wire/publish_surely.ts";
