// Tested by tests/src/up/up_test.ts
import { type Composition, loadExtensions, openServers } from "@muster/app";
import { type App, runPreparedApp } from "@muster/service";
import { serveDashboard } from "./serve/serve.ts";
import { readVersion } from "./version.ts";

/** Connections to PostgreSQL. All viewers share what is read. */
const DATABASE_CONNECTIONS = 3;

async function show(name: string, app: App, composition: Composition): Promise<void> {
  const { log, signal, health, settings } = app;
  const { tables } = composition;
  await using servers = await openServers(app, { name, tables, databaseConnections: DATABASE_CONNECTIONS });
  const { broker, database } = servers;
  const { dashboardHost: host, dashboardPort: port, dashboardNames: names, token } = settings;
  await using dashboard = await serveDashboard({
    broker,
    database,
    composition,
    host,
    port,
    names,
    token,
    version: readVersion(),
  });
  health.started();
  log.info(
    { url: dashboard.url, acting: token === undefined ? "nobody: set MUSTER_TOKEN" : "whoever knows MUSTER_TOKEN" },
    "the dashboard is served",
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Runs the dashboard from settings to exit, as the whole of its `main.ts`. Exits as every app does. */
export async function runDashboardApp(name: string, from: string): Promise<never> {
  return await runPreparedApp(
    name,
    async ({ extensions: named }) => ({
      plan: await loadExtensions({ byDefault: ["@muster/pilot-tasks"], from, named }),
    }),
    (app, composition) => show(name, app, composition),
  );
}
