import { openServers, probeProblems } from "@muster/app";
import { pilots } from "@muster/pilot-tasks";
import { type App, runApp } from "@muster/service";
import { startScheduler } from "@muster/tasks";
import { createChores } from "./chores.ts";

/** The scheduler asks the database only for its chores. */
const DATABASE_CONNECTIONS = 2;

async function schedule(app: App): Promise<void> {
  const { log, signal, health, metrics } = app;
  await using servers = await openServers(app, {
    name: "scheduler",
    tables: pilots.tables,
    databaseConnections: DATABASE_CONNECTIONS,
  });
  const { broker, database, nats, highestFence } = servers;
  const leads = metrics
    .gauge({ name: "muster_scheduler_leads", help: "1 while this scheduler leads something, 0 while it stands by." })
    .of();
  const leadsTask = metrics.gauge({
    name: "muster_scheduler_leads_task",
    help: "1 while this scheduler leads the task, 0 while another one does or none.",
    labels: ["task"],
  });
  await using scheduler = await startScheduler({
    ...{ broker, nats, highestFence, signal },
    app: "scheduler",
    tasks: pilots.tasks,
    ledger: database.ledger,
    chores: createChores({ ...servers, log }),
    onRole(role) {
      leads.value = role === "leading" ? 1 : 0;
      log.info(role === "leading" ? "leads" : "stands by");
    },
    onLead(tasks) {
      for (const { name } of pilots.tasks) leadsTask.of(name).value = tasks.includes(name) ? 1 : 0;
      health.tell("leads", tasks);
      log.info({ tasks }, "leads these tasks");
    },
  });
  probeProblems(health, "scheduler", () => scheduler.problems());
  health.started();
  log.info({ scheduler: scheduler.name, tasks: pilots.tasks.map((task) => task.name) }, "ready to schedule");
  await scheduler.ended;
}

await runApp("scheduler", schedule);
