import { type App, runPreparedApp } from "@muster/service";
import { type SchedulerRole, startScheduler } from "@muster/tasks";
import { createChores } from "./chores/chores.ts";
import { figuresChore } from "./figures/figures_chore.ts";
import { queueFigures } from "./figures/queue_figures.ts";
import type { Composition } from "./extension/compose_extensions.ts";
import { type ExtensionDefaults, loadExtensions } from "./extension/load_extensions.ts";
import { insistOnStart } from "./insist_on_start.ts";
import { openServers } from "./open_servers.ts";
import { probeProblems } from "./probe_problems.ts";

/** Connections of a scheduler to PostgreSQL. It uses the database only for its chores. */
const DATABASE_CONNECTIONS = 2;

async function schedule(name: string, app: App, composition: Composition): Promise<void> {
  const { log, signal, health, metrics, settings } = app;
  const { tasks, tables } = composition;
  await using servers = await openServers(app, { name, tables, databaseConnections: DATABASE_CONNECTIONS });
  const { broker, database, nats, vos, highestFence } = servers;
  const middleware = [...servers.middleware, ...composition.middleware];
  const leads = metrics
    .gauge({ name: "muster_scheduler_leads", help: "1 while this scheduler leads something, 0 while it stands by." })
    .of();
  const leadsTask = metrics.gauge({
    name: "muster_scheduler_leads_task",
    help: "1 while this scheduler leads the task, 0 while another one does or none.",
    labels: ["task"],
  });
  const options = {
    ...{ broker, nats, highestFence, signal, tasks, middleware },
    app: name,
    ledger: database.ledger,
    sharedThread: health.thread,
    chores: [
      ...createChores({ broker, database, log }, { ...composition, middleware, historyMs: settings.historyMs }),
      figuresChore(metrics, [
        queueFigures(
          broker,
          vos,
          tasks.map(({ name: task }) => task),
        ),
        ...composition.figures({ broker, database }),
      ]),
    ],
    onRole(role: SchedulerRole) {
      leads.value = role === "leading" ? 1 : 0;
      log.info(role === "leading" ? "leads" : "stands by");
    },
    onLead(led: readonly string[]) {
      for (const { name: task } of tasks) leadsTask.of(task).value = led.includes(task) ? 1 : 0;
      health.tell("leads", led);
      log.info({ tasks: led }, "leads these tasks");
    },
  };
  const starting = { check: "scheduler", what: "start the scheduler", start: () => startScheduler(options) };
  await using scheduler = await insistOnStart(app, broker, starting);
  probeProblems(health, "scheduler", () => scheduler.problems());
  health.started();
  log.info({ scheduler: scheduler.name, tasks: tasks.map((task) => task.name) }, "ready to schedule");
  await scheduler.ended;
}

/**
 * Runs a scheduler from settings to exit, as the whole of its `main.ts`. It runs the tasks' schedules and the chores of
 * the extensions that `MUSTER_EXTENSIONS` names, or of `defaults`. Exits as {@linkcode runGenericWorkerApp} does.
 *
 * ```ts
 * import { runSchedulerApp } from "@muster/app";
 * await runSchedulerApp("scheduler", { byDefault: ["@example/tasks"], from: import.meta.url });
 * ```
 */
export async function runSchedulerApp(name: string, defaults: ExtensionDefaults): Promise<never> {
  return await runPreparedApp(
    name,
    async ({ extensions: named }) => ({ plan: await loadExtensions({ ...defaults, named }) }),
    (app, composition) => schedule(name, app, composition),
  );
}
