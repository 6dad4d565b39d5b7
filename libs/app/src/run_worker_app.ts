// Tested by tests/src/apps/apps_test.ts
import { type App, type Meters, type Preparation, runPreparedApp } from "@muster/service";
import { type AnyTask, type RunningWorker, startWorker } from "@muster/tasks";
import { chooseTasks } from "./extension/choose_tasks.ts";
import { type Composition, composeExtensions } from "./extension/compose_extensions.ts";
import type { Extension } from "./extension/extension.ts";
import { type ExtensionDefaults, loadExtensions } from "./extension/load_extensions.ts";
import { insistOnStart } from "./insist_on_start.ts";
import { openServers } from "./open_servers.ts";
import { byRun, runLog } from "./run_log.ts";
import { probeProblems } from "./probe_problems.ts";
import { threadsFor, wantsThread } from "./app_threads.ts";

/** Shows the worker's tasks in hand and its permits in each scrape. */
function showHands(metrics: Meters, worker: RunningWorker): void {
  const tasks = metrics.gauge({
    name: "muster_worker_tasks",
    help: "Tasks in hand: running, buffered, or waiting for a lock.",
    labels: ["state"],
  });
  const permits = metrics.gauge({
    name: "muster_worker_permits",
    help: "Tasks that may run at once: granted, and of these lost to tasks that ignored their abort signal.",
    labels: ["state"],
  });
  const threads = metrics.gauge({
    name: "muster_worker_threads",
    help: "Threads for medium and large tasks: most that may be, those that are started, and of these busy with a task.",
    labels: ["state"],
  });
  metrics.onScrape(() => {
    const health = worker.health();
    for (const [state, count] of Object.entries(health.threads ?? {})) threads.of(state).value = count;
    tasks.of("running").value = health.running;
    tasks.of("buffered").value = health.buffered;
    tasks.of("waiting for a lock").value = health.waitingForLocks;
    permits.of("granted").value = health.permits;
    permits.of("lost").value = health.lostPermits;
  });
}

/** Says which tasks share the event loop although their size asks for a thread. */
function tellWithoutThread({ log, settings }: App, { modules }: Composition, tasks: readonly AnyTask[]): void {
  if (modules !== undefined || settings.threads === 0) return;
  const names = tasks.filter(wantsThread).map((task) => task.name);
  if (names.length === 0) return;
  log.info(
    { tasks: names },
    "these medium and large tasks share the event loop, since a thread could not load them; give defineExtension `module: import.meta.url`",
  );
}

/** A worker app's plan, once its settings are read. */
interface Work {
  readonly name: string;
  readonly composition: Composition;
  /** The extensions' tasks that this app runs. */
  readonly tasks: readonly AnyTask[];
  readonly longestTaskMs: number;
}

function planOf(name: string, composition: Composition, tasks: readonly AnyTask[]): Preparation<Work> {
  const longestTaskMs = Math.max(...tasks.map(({ timeoutMs }) => timeoutMs));
  return { plan: { name, composition, tasks, longestTaskMs }, longestTaskMs };
}

async function work(app: App, { name, tasks, composition, longestTaskMs }: Work): Promise<void> {
  const { settings, log, signal, hastened, health, metrics } = app;
  await using servers = await openServers(app, {
    name,
    tables: composition.tables,
    databaseConnections: settings.databaseConnections,
    transactionTimeoutMs: longestTaskMs,
  });
  const { broker, nats, database, highestFence } = servers;
  const { logLevel, threads: count } = settings;
  const threads = threadsFor(composition, tasks, { name, logLevel, count });
  tellWithoutThread(app, composition, tasks);
  const start = () =>
    startWorker({
      ...{ broker, nats, highestFence, signal },
      app: name,
      tasks,
      ledger: database.ledger,
      sharedThread: health.thread,
      middleware: [...servers.middleware, runLog, ...composition.middleware],
      deps: composition.deps({ log: byRun((message, fields) => log.info(fields, message)) }),
      permits: settings.permits,
      ...(threads && { threads }),
      drainMs: settings.drainMs,
    });
  await using worker = await insistOnStart(app, broker, { check: "worker", what: "start the worker", start });
  hastened.addEventListener("abort", () => worker.hasten(), { once: true });
  probeProblems(health, "worker", () => worker.health().problems);
  showHands(metrics, worker);
  health.started();
  log.info({ worker: worker.name, tasks: tasks.map((task) => task.name) }, "ready for tasks");
  await worker.ended;
}

/** The extensions and tasks of a worker app. */
export interface WorkerAppOptions {
  readonly extensions: readonly Extension[];
  /** Those of the extensions' tasks that this app runs; default: all. */
  readonly tasks?: readonly AnyTask[];
}

/**
 * Runs a worker app from settings to exit, as the whole of its `main.ts`. It ignores the settings `MUSTER_EXTENSIONS`
 * and `MUSTER_TASKS`; see {@linkcode runGenericWorkerApp}.
 *
 * Waits for its servers, drains at SIGTERM and exits with 0. Exits with 2 for settings that are wrong by themselves.
 * Exits with 1 where only a new process helps, and where an operator must act: a server that is too old, or a schema
 * that is too new.
 *
 * ```ts
 * import { defineExtension, runWorkerApp } from "@muster/app";
 * import { atLeastOnceFactory } from "@muster/tasks";
 * const HelloTask = atLeastOnceFactory()({ name: "HelloTask", execute: () => "hello" });
 * await runWorkerApp("hello-worker", { extensions: [defineExtension({ name: "hello", tasks: [HelloTask] })] });
 * ```
 */
export async function runWorkerApp(name: string, { extensions, tasks }: WorkerAppOptions): Promise<never> {
  const prepare = async () => {
    const composition = composeExtensions(extensions);
    return planOf(name, composition, tasks ?? composition.tasks);
  };
  return await runPreparedApp(name, prepare, work);
}

/**
 * Like {@linkcode runWorkerApp}, for the extensions that `MUSTER_EXTENSIONS` names, or `defaults`. Of these it runs the
 * tasks that `MUSTER_TASKS` names. Exits with 2 where an extension cannot be loaded, and where none has such a task.
 *
 * ```ts
 * import { runGenericWorkerApp } from "@muster/app";
 * await runGenericWorkerApp("worker", { byDefault: ["@example/tasks"], from: import.meta.url });
 * ```
 */
export async function runGenericWorkerApp(name: string, defaults: ExtensionDefaults): Promise<never> {
  return await runPreparedApp(
    name,
    async ({ extensions: named, tasks }) => {
      const composition = await loadExtensions({ ...defaults, named });
      return planOf(name, composition, chooseTasks(composition, tasks));
    },
    work,
  );
}
