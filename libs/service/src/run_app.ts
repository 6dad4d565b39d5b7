import { type Health, startHealth } from "./health/health.ts";
import { ListenError } from "./health/listen_error.ts";
import { createLog, type Log } from "./logging/log.ts";
import { sparingly } from "./logging/sparingly.ts";
import { showBuild } from "./metrics/build_info.ts";
import { createMeters, type Meters } from "./metrics/meters.ts";
import { InvalidSettingsError, readSettings } from "./settings/read_settings.ts";
import { ServersUnknownError } from "./settings/servers.ts";
import type { Settings } from "./settings/settings.ts";
import { listenForStop } from "./shutdown/stop.ts";
import { tidyWhileIdle } from "./start/tidy.ts";
import { startTraces, type Traces } from "./traces/start_traces.ts";

/** What every app is given. */
export interface App {
  readonly settings: Settings;
  readonly log: Log;
  /** Aborts when the process is told to stop. Take no new work, and finish what runs within `settings.drainMs`. */
  readonly signal: AbortSignal;
  /** Aborts when the process is told a second time: the drain's deadline is now. */
  readonly hastened: AbortSignal;
  /** Not ready until `health.started()`. */
  readonly health: Health;
  readonly metrics: Meters;
  /** The traces of this process; undefined: they are off. */
  readonly traces: Traces | undefined;
  /** Ends the process at once with 1, and the error in its log. Nothing is drained: for what makes all that it holds worthless. */
  fail(error: Error): never;
}

/** The options in which apps differ before they run. */
export interface AppOptions {
  /**
   * The longest timeout of the app's tasks, ms; default 10 minutes. /healthz turns red when the event loop is held for
   * a minute longer.
   */
  readonly longestTaskMs?: number;
}

/** The result of an app's preparation. */
export interface Preparation<Plan> extends AppOptions {
  /** Handed to the app. */
  readonly plan: Plan;
}

/** Exit codes, as those of the `muster` command. A wrong setting has its own, since no new start mends it. */
const FAILED = 1;
const WRONG_SETTING = 2;

/**
 * Time from the drain's deadline to the exit at the latest, ms. In it tasks are aborted, messages handed back, and
 * connections closed.
 */
const CLOSING_MS = 5_000;

function crashBy(log: Log, stopSignal: AbortSignal): void {
  const crash = (err: unknown, what: string) => {
    // A process that was told to stop exits with 0 whatever fails on the way: its end loses nothing that it holds.
    log.fatal({ err }, what);
    process.exit(stopSignal.aborted ? 0 : FAILED);
  };
  process.on("uncaughtException", (error) => crash(error, "an error nobody caught"));
  process.on("unhandledRejection", (reason) => crash(reason, "a rejection nobody handled"));
}

/**
 * Variable that a supervisor of ours (`muster up`) sets when it starts a child with an IPC channel. Any value counts.
 */
const SUPERVISED = "MUSTER_PARENT";

interface Prepared extends AppOptions {
  readonly name: string;
  readonly settings: Settings;
  readonly log: Log;
}

/**
 * What the log tells of an error beside its text.
 *
 * A wrong setting needs no stack trace. An error before the app ran may come from another's module: then the calls that led to it are told.
 * Its text is not told again, since the error's own text has it.
 */
function detailsOf(error: unknown, isPrepared: boolean): object {
  if (isPrepared) {
    const isPlain = [InvalidSettingsError, ListenError, ServersUnknownError].some((known) => error instanceof known);
    return isPlain ? {} : { err: error };
  }
  const stack = error instanceof Error && error.cause instanceof Error ? error.cause.stack : undefined;
  const calls = (stack ?? "").split("\n").filter((line) => /^ +at (?!.*\(?node:)/.test(line));
  return calls.length === 0 ? {} : { stack: calls.join("\n") };
}

/** Logs why an app ends, and exits with the code for it. An error before the app ran counts as a wrong setting. */
function exitFor(error: unknown, log: Log, isPrepared: boolean): never {
  log.fatal(detailsOf(error, isPrepared), error instanceof Error ? error.message : String(error));
  process.exit(!isPrepared || error instanceof InvalidSettingsError ? WRONG_SETTING : FAILED);
}

async function serve(
  { name, settings, log, longestTaskMs = 600_000 }: Prepared,
  run: (app: App) => Promise<void>,
): Promise<void> {
  using stop = listenForStop({
    log,
    exitAfterMs: settings.drainMs + CLOSING_MS,
    supervised: process.env[SUPERVISED] !== undefined,
  });
  const { signal, hastened } = stop;
  crashBy(log, signal);
  using _tidying = tidyWhileIdle();
  using quiet = sparingly(log);
  const warn = (message: string, fields: object) => quiet.say("warn", message, fields);
  await using traces = await startTraces({ app: name, warn });
  if (traces !== undefined) log.info({ service: traces.service }, "tracing by OpenTelemetry");
  const metrics = createMeters();
  showBuild(metrics, name);
  // Loaded late: commands use this library too, and only an app is scraped.
  const { processMetrics } = await import("./metrics/process_metrics.ts");
  const ofProcess = processMetrics();
  await using health = await startHealth({
    app: name,
    host: settings.httpHost,
    port: settings.httpPort,
    metrics: async () => metrics.text() + (await ofProcess()),
    log,
    restartSilenceMs: longestTaskMs + 60_000,
  });
  log.info({ url: health.url }, "serving /healthz, /readyz and /metrics");
  signal.addEventListener("abort", () => health.stopping(), { once: true });
  try {
    const fail = (error: Error) => exitFor(error, log, true);
    await run({ settings, log, signal, hastened, health, metrics, traces, fail });
  } catch (error) {
    if (!signal.aborted) throw error;
    if (error !== signal.reason && error !== hastened.reason) log.warn({ err: error }, "an error on the way out");
  }
  log.info(signal.aborted ? "stopped" : "ended");
}

/**
 * Runs an app from settings to exit: settings, log, metrics, health, and the signals that end it.
 *
 * Ends the process: with 0 when `run` returns or the app was told to stop, with 2 where a setting is wrong by itself, else with 1. The
 * reason is in the log.
 *
 * @example
 * ```ts
 * import { runApp } from "@muster/service";
 * await runApp("report-worker", async ({ health, log, signal }) => {
 *   health.started();
 *   log.info("ready");
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 * });
 * ```
 */
export async function runApp(name: string, run: (app: App) => Promise<void>, options: AppOptions = {}): Promise<never> {
  return await runPreparedApp(name, async () => ({ ...options, plan: undefined }), run);
}

/**
 * Like {@linkcode runApp}, for an app that has to look at its settings before it runs, as to load what they name.
 *
 * `prepare` is called once, before anything is opened. What it throws is told like a wrong setting, and ends the process with 2. The
 * `plan` that it returns is handed to `run`.
 *
 * @example
 * ```ts
 * import { runPreparedApp } from "@muster/service";
 * await runPreparedApp(
 *   "beacon",
 *   async ({ permits }) => ({ plan: { lamps: permits } }),
 *   async ({ log }, { lamps }) => log.info({ lamps }, "ready"),
 * );
 * ```
 */
export async function runPreparedApp<Plan>(
  name: string,
  prepare: (settings: Settings) => Promise<Preparation<Plan>>,
  run: (app: App, plan: Plan) => Promise<void>,
): Promise<never> {
  let log = createLog({ name, level: "info", descriptor: 1 });
  let isPrepared = false;
  try {
    const settings = readSettings();
    log = createLog({ name, level: settings.logLevel, descriptor: 1 });
    const { plan, ...options } = await prepare(settings);
    isPrepared = true;
    await serve({ name, settings, log, ...options }, (app) => run(app, plan));
  } catch (error) {
    exitFor(error, log, isPrepared);
  }
  process.exit(0);
}
