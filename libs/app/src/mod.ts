/**
 * The composition root: joins service, tasks and ledger into an app that runs extensions. Code that all apps share is
 * here once.
 *
 * @module @muster/app
 */
export type { ChoreServers } from "./chores/chore_servers.ts";
export { createChores, republishChildren } from "./chores/chores.ts";
export { comparingChore, type ComparedServers, findFalls } from "./chores/compare_stores.ts";
export { republishRetries } from "./chores/lost_retries.ts";
export { outboxChore, type OutboxOptions } from "./chores/outbox_relay.ts";
export { chooseTasks } from "./extension/choose_tasks.ts";
export { type Composition, composeExtensions } from "./extension/compose_extensions.ts";
export {
  type ChoreContext,
  type ChoreLog,
  defineExtension,
  type Extension,
  type ExtensionSpec,
  isExtension,
  type Offers,
} from "./extension/extension.ts";
export {
  ExtensionFailedError,
  ExtensionNotFoundError,
  ExtensionsClashError,
  isExtensionError,
  NoExtensionError,
  NoSuchTaskError,
} from "./extension/extension_errors.ts";
export { type ExtensionChoice, type ExtensionDefaults, loadExtensions } from "./extension/load_extensions.ts";
export type { Figure, FigureSource } from "./figures/figures.ts";
export { openServers, type OpenServers, type OpenServersOptions } from "./open_servers.ts";
export { type AppTracing, openTracing } from "./tracing/open_tracing.ts";
export { traced } from "./tracing/traced.ts";
export { probeProblems } from "./probe_problems.ts";
export { byRun, runLog } from "./run_log.ts";
export { runSchedulerApp } from "./run_scheduler_app.ts";
export { runGenericWorkerApp, runWorkerApp, type WorkerAppOptions } from "./run_worker_app.ts";
