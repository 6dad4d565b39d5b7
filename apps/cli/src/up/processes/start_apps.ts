import { assertPortFree } from "@muster/local";
import type { Display } from "../display/display.ts";
import { openAppLog } from "./app_log.ts";
import type { UpOptions } from "../options/up_options.ts";
import { startAppProcess } from "./app_process.ts";
import { compiledCodeForChildren } from "../../run/compiled_code.ts";
import { knownTasks } from "../../run/extensions.ts";
import { argumentsOf, choosePorts, DASHBOARD, type PlannedApp, planApps } from "./apps.ts";
import type { DashboardPlace } from "./dashboard_place.ts";
import { keepRunning, type KeptRunning } from "./keep_running.ts";
import { NotReadyError, untilReady } from "./readiness.ts";

/** Longest time until all apps are ready, ms. A busy machine needs much of it. */
const READY_WITHIN_MS = 120_000;

/** Time that an app lets its tasks run on after it is told to stop, s. Everything must have ended after five seconds. */
const DRAIN_SECONDS = 2;

export interface AppsContext {
  readonly options: UpOptions;
  /** Variables with which the apps find NATS and log in to it. Secrets go through the environment, since everybody can read arguments. */
  readonly environment: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly dashboard: DashboardPlace;
  readonly display: Display;
  /** Ends the wait for the apps. */
  readonly signal: AbortSignal;
  /** Longest time until all apps are ready, ms, default two minutes. */
  readonly readyWithinMs?: number;
  readonly impatience: AbortSignal;
}

/** Only the dashboard gets the token. */
function dashboardEnvironment({ name }: PlannedApp, { port, token }: DashboardPlace): NodeJS.ProcessEnv {
  if (name !== DASHBOARD) return { MUSTER_TOKEN: "" };
  return { MUSTER_DASHBOARD_PORT: String(port), MUSTER_DASHBOARD_HOST: "127.0.0.1", MUSTER_TOKEN: token };
}

function environmentOf(app: PlannedApp, port: number, context: AppsContext): NodeJS.ProcessEnv {
  const { environment, databaseUrl, dashboard } = context;
  return {
    LOG_LEVEL: "info",
    MUSTER_DRAIN_SECONDS: String(DRAIN_SECONDS),
    ...process.env,
    ...compiledCodeForChildren(),
    ...environment,
    DATABASE_URL: databaseUrl,
    HTTP_PORT: String(port),
    HTTP_HOST: "127.0.0.1",
    ...dashboardEnvironment(app, dashboard),
    ...app.environment,
  };
}

/** Starts one app and keeps it running. Its log goes to the display and to a file. */
async function keepApp(app: PlannedApp, port: number, context: AppsContext): Promise<KeptRunning> {
  const { options, display, impatience } = context;
  const { name } = app;
  const log = await openAppLog(options.dataDir, name);
  const kept = await keepRunning({
    name,
    tell: display.progress,
    start: () =>
      startAppProcess({
        args: argumentsOf(name),
        env: environmentOf(app, port, context),
        impatience,
        onLine(line) {
          log.write(line);
          display.appLine(name, line);
        },
      }),
  });
  return {
    restart: kept.restart,
    async stop() {
      await kept.stop();
      await log[Symbol.asyncDispose]();
    },
  };
}

/**
 * Waits until the app is ready. An app that does not become ready is only reported. The servers must stay up, so that an operator can
 * repair the cause.
 *
 * Throws {@linkcode NotReadyError} where `muster up` runs for a set time only, and the signal's reason.
 */
async function waitFor({ name }: PlannedApp, port: number, context: AppsContext): Promise<void> {
  const { options, display, signal, readyWithinMs = READY_WITHIN_MS } = context;
  try {
    await untilReady(name, port, { withinMs: readyWithinMs, signal });
    display.progress(`${name} is ready, its health is at http://127.0.0.1:${port}/readyz`);
  } catch (error) {
    if (!(error instanceof NotReadyError) || options.for !== undefined) throw error;
    display.progress(`${error.message}; all else goes on`);
  }
}

/**
 * Starts all apps and waits until each is ready, or its time is over. They run until disposed of.
 *
 * Throws `PortTakenError`, the signal's reason, and `NotReadyError` where `muster up` runs for a set time only. After an error no app runs.
 */
export async function startApps(context: AppsContext): Promise<AsyncDisposable> {
  const { options, display, dashboard } = context;
  const apps = planApps(await knownTasks());
  const ports = await choosePorts(options.httpPort, apps);
  // A port that was chosen here was free a moment ago, and nobody could choose a better one.
  if (options.httpPort !== 0) for (const port of ports.values()) await assertPortFree(port, "--http-port");
  await assertPortFree(dashboard.port, "--dashboard-port");
  await using started = new AsyncDisposableStack();
  // All apps are told to stop at the same time, since each may need its whole time.
  const kept: KeptRunning[] = [];
  started.defer(async () => {
    await Promise.all(kept.map((app) => app.stop()));
  });
  for (const [app, port] of ports) kept.push(await keepApp(app, port, context));
  display.progress(`waiting for ${apps.map(({ name }) => name).join(", ")}`);
  await Promise.all([...ports].map(([app, port]) => waitFor(app, port, context)));
  return started.move();
}
