import { type App, type Meters, runApp } from "@muster/service";
import { type RunningWorker, startWorker, type TaskOver } from "@muster/tasks";
import type { Extension } from "./extension.ts";
import { openServers } from "./open_servers.ts";
import { probeProblems } from "./probe_problems.ts";

/** Shows in each scrape what the worker has in hand. */
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
  metrics.onScrape(() => {
    const health = worker.health();
    tasks.of("running").value = health.running;
    tasks.of("buffered").value = health.buffered;
    tasks.of("waiting for a lock").value = health.waitingForLocks;
    permits.of("granted").value = health.permits;
    permits.of("lost").value = health.lostPermits;
  });
}

interface Job<Deps> {
  readonly name: string;
  /** Those of the extension's tasks that this app runs. */
  readonly tasks: readonly TaskOver<Deps>[];
  readonly extension: Extension<Deps>;
}

async function work<Deps>(app: App, { name, tasks, extension }: Job<Deps>): Promise<void> {
  const { settings, log, signal, hastened, health, metrics } = app;
  await using servers = await openServers(app, {
    name,
    tables: extension.tables,
    databaseConnections: settings.databaseConnections,
    transactionTimeoutMs: longestOf(tasks),
  });
  const { broker, nats, database, highestFence } = servers;
  await using worker = await startWorker({
    ...{ broker, nats, highestFence, signal },
    app: name,
    tasks,
    ledger: database.ledger,
    deps: extension.deps({ log: (message, fields) => log.info(fields, message) }),
    permits: settings.permits,
    drainMs: settings.drainMs,
  });
  hastened.addEventListener("abort", () => worker.hasten(), { once: true });
  probeProblems(health, "worker", () => worker.health().problems);
  showHands(metrics, worker);
  health.started();
  log.info({ worker: worker.name, tasks: tasks.map((task) => task.name) }, "ready for tasks");
  await worker.ended;
}

function longestOf(tasks: readonly { readonly timeoutMs: number }[]): number {
  return Math.max(...tasks.map((task) => task.timeoutMs));
}

/**
 * Runs a worker app for `tasks` of an extension from settings to exit, as the whole of its `main.ts`.
 *
 * Waits for its servers, drains at SIGTERM and exits with 0. Exits with 2 for settings that are wrong by themselves. Exits with 1 where
 * only a new process helps, and where an operator must: a server that is too old, a schema that is too new.
 *
 * ```ts
 * import { runWorkerApp } from "@muster/app";
 * import { MyPilotReportTask, pilots } from "@muster/pilot-tasks";
 * await runWorkerApp("report-worker", [MyPilotReportTask], pilots);
 * ```
 */
export async function runWorkerApp<Deps>(
  name: string,
  tasks: readonly TaskOver<Deps>[],
  extension: Extension<Deps>,
): Promise<never> {
  return await runApp(name, (app) => work(app, { name, tasks, extension }), { longestTaskMs: longestOf(tasks) });
}
