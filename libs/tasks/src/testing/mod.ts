/**
 * For tests of tasks: run one task alone with deps of the test's own and a clock that it moves, or a whole system on a nats-server of its own.
 *
 * Fits any test runner: what is wrong is thrown, as `AssertionError` where an assertion failed.
 *
 * ```ts
 * const outcome = await runTask(GreetTask, { payload: { name: "world" } });
 * assertDone(outcome);
 * ```
 *
 * @module @muster/tasks/testing
 */
export { assertDone, assertFailed, assertLogged, assertSpawned, type WantedChild } from "./assertions.ts";
export { testClock, type TestClock } from "./clock.ts";
export { dueTimes, type DueTimesOptions } from "./due_times.ts";
export { type EventLog, openEventLog, type ToldStep } from "./event_log.ts";
export { MissingDepError } from "./given_deps.ts";
export { type MemoryLedger, memoryLedger, type MemoryLedgerOptions } from "./memory_ledger.ts";
export { describeOutcome, type LoggedLine, type OutcomeKind, type TaskOutcome } from "./outcome.ts";
export { type AttemptOptions, runTask, type RunTaskOptions, type SentOption, type TestDepsInput } from "./run_task.ts";
export { runTaskToEnd } from "./run_task_to_end.ts";
export { startTestNats, type TestNats } from "./nats_program.ts";
export { PATIENCE_MS, until, within } from "./patience.ts";
export {
  countWaiting,
  type NatsSource,
  startTestSystem,
  type TestSystem,
  type TestSystemOptions,
  type TestWorker,
  type TestWorkerOptions,
} from "./test_system.ts";
export { newWatcher, type Watcher } from "./watcher.ts";
