// Tested by tests/src/up/up_test.ts
import { lockFolder } from "@muster/local";
import { getHighestFence, migrate, type Database } from "@muster/ledger";
import { keepCes } from "@muster/logic";
import { announceRunning, createLog, DATA_DIR, type Nats, withdrawRunning } from "@muster/service";
import { type Broker, connectNats, openBroker } from "@muster/tasks";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startApps } from "./processes/start_apps.ts";
import { hasNatsCommand } from "./nats_command.ts";
import { placeDashboard } from "./processes/dashboard_place.ts";
import { mendNats } from "./processes/mend_nats.ts";
import { applyDemo } from "./demo.ts";
import { explainDataFolder, makeDataFolder } from "./data_folder.ts";
import type { Display } from "./display/display.ts";
import { openLiveView } from "./display/live_view.ts";
import { openLogLines } from "./display/log_lines.ts";
import type { UpOptions } from "./options/up_options.ts";
import { openNats, openPostgres, type ServerContext, type UsableNats, type UsableServer } from "./processes/servers.ts";
import { listenForStopDemand, type StopDemand } from "./stop_demand.ts";
import { hasPilots, ourExtensions } from "../run/extensions.ts";
import { openOwnDatabase, ownCopies } from "../run/servers.ts";
import { readSummary } from "./figures/summary.ts";
import { watchSystem } from "./watch_system.ts";

/** Longest delay of a timer, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Opens the display that fits standard output. */
function openDisplay(): Display {
  if (process.stdout.isTTY) return openLiveView(process.stdout);
  return openLogLines(createLog({ name: "up", level: "info", descriptor: 1 }), process.stdout);
}

/** Opens both servers at the same time. If one fails, the other is stopped. */
async function openServers(
  context: ServerContext,
): Promise<AsyncDisposable & { nats: UsableNats; postgres: UsableServer }> {
  const [nats, postgres] = await Promise.allSettled([openNats(context), openPostgres(context)]);
  const stopBoth = async () => {
    await Promise.all(
      [nats, postgres].map((server) => (server.status === "fulfilled" ? server.value.stop() : undefined)),
    );
  };
  if (nats.status === "fulfilled" && postgres.status === "fulfilled") {
    return { nats: nats.value, postgres: postgres.value, [Symbol.asyncDispose]: stopBoth };
  }
  await stopBoth();
  const reasons: unknown[] = [nats, postgres].flatMap((server) =>
    server.status === "rejected" ? [server.reason] : [],
  );
  if (reasons.length === 1) throw reasons[0];
  // Both errors are reported, so that the user can repair both causes at once.
  throw new AggregateError(
    reasons,
    reasons.map((reason) => explainDataFolder(context.options.dataDir, reason)).join("\n"),
  );
}

interface Connected {
  readonly broker: Broker;
  readonly database: Database;
}

interface Preparation extends Pick<UpOptions, "keepCe"> {
  readonly display: Display;
}

/** Connects to both servers, updates their schema and streams, and gives an empty system something to do. */
async function prepare(
  nats: Nats,
  databaseUrl: string,
  { display, keepCe = [] }: Preparation,
): Promise<Connected & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const applied = await migrate(databaseUrl, { tables: (await ourExtensions()).tables, settings: keepCes(keepCe) });
  if (applied.length > 0) display.progress(`the database was migrated: ${applied.join(", ")}`);
  const database = opened.use(await openOwnDatabase({ url: databaseUrl, poolSize: 2, applicationName: "muster up" }));
  const nc = await connectNats({ ...nats, name: "muster up" });
  opened.defer(() => nc.close());
  const broker = await openBroker(nc, { ...ownCopies(), highestFence: () => database.transaction(getHighestFence) });
  const added = (await hasPilots()) ? await applyDemo(broker, database) : undefined;
  if (added !== undefined) display.progress(`there was no VO and no CE; added ${added} and demo intervals`);
  const connected = opened.move();
  return { broker, database, [Symbol.asyncDispose]: () => connected.disposeAsync() };
}

/** Waits until told to stop, or until the time is over. */
async function untilOver(endsAt: Date | undefined, signal: AbortSignal): Promise<void> {
  const waitMs = endsAt === undefined ? LONGEST_TIMER_MS : endsAt.getTime() - Date.now();
  try {
    await pause(Math.max(waitMs, 0), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    return;
  }
  if (endsAt === undefined) await untilOver(endsAt, signal);
}

/** Returns the summary if it has to be printed. */
async function run(options: UpOptions, display: Display, demand: StopDemand): Promise<string | undefined> {
  const { signal, impatience } = demand;
  const { dataDir } = options;
  await makeDataFolder(dataDir);
  using _lock = await lockFolder(dataDir);
  const dashboard = await placeDashboard(options, dataDir);
  display.progress(`the dashboard will be at ${dashboard.url}`);
  display.progress(`data is kept in ${dataDir}`);
  await using servers = await openServers({ options, signal, tell: display.progress });
  const { url: databaseUrl } = servers.postgres;
  const { url: natsUrl, access } = servers.nats;
  signal.throwIfAborted();
  await using connected = await prepare({ url: natsUrl, ...access }, databaseUrl, { ...options, display });
  const { broker, database } = connected;
  signal.throwIfAborted();
  const natsDataDir = join(dataDir, "nats");
  const ownNats = servers.nats.restart === undefined ? {} : { natsDataDir };
  await announceRunning(dataDir, { pid: process.pid, natsUrl, databaseUrl, nats: access, ...ownNats });
  await using _announced = { [Symbol.asyncDispose]: () => withdrawRunning(dataDir) };
  const { restart } = servers.nats;
  const mending = { broker, dataDir: natsDataDir, tell: display.progress };
  await using _mending = restart === undefined ? undefined : mendNats({ ...mending, restart });
  {
    await using _apps = await startApps({
      options,
      dashboard,
      environment: servers.nats.environment,
      databaseUrl,
      display,
      signal,
      impatience,
    });
    const readyAt = new Date();
    const endsAt = options.for === undefined ? undefined : new Date(readyAt.getTime() + options.for * 1_000);
    const hasNats = await hasNatsCommand();
    const facts = { dashboard, natsUrl, databaseUrl, dataDir, hasNats, readyAt };
    display.ready({ ...facts, ...(endsAt === undefined ? {} : { endsAt }) });
    await using _watching = watchSystem({ broker, database, display });
    await untilOver(endsAt, signal);
    display.progress("stopping");
  }
  // Without `--for` nobody sees the figures. A silent database must not delay the stop for them.
  return options.for === undefined ? undefined : JSON.stringify(await readSummary(database));
}

/**
 * Runs NATS, PostgreSQL and all apps until it is told to stop, or for the given time.
 *
 * With `for` the last line on standard output is an {@linkcode UpSummary}. After a demand to stop everything ends within five seconds.
 * Tasks that were not settled come back at the next start on the same data.
 *
 * Throws the error that ended it.
 */
export async function runUp(given: UpOptions): Promise<void> {
  // An empty variable counts as not set.
  const dataDir = resolve(given.dataDir || DATA_DIR);
  const options = { ...given, dataDir };
  using demand = listenForStopDemand();
  // The reader of our output has ended, as in `muster up | head`. Nobody sees the output any more.
  process.stdout.on("error", demand.stop);
  const display = openDisplay();
  try {
    const summary = await run(options, display, demand);
    display.close();
    if (summary !== undefined) process.stdout.write(`${summary}\n`);
  } catch (error) {
    display.close();
    if (!demand.signal.aborted) throw new Error(explainDataFolder(dataDir, error), { cause: error });
  }
}
