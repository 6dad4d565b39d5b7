// Tested by tests/src/apps/apps_test.ts
import { type Database, getHighestFence, openDatabase, SchemaAheadError, type TableSet } from "@muster/ledger";
import {
  type App,
  insist,
  InvalidSettingsError,
  type KnownVos,
  knownVos,
  locateNats,
  locateServers,
  observeTasks,
} from "@muster/service";
import {
  type Broker,
  connectNats,
  type Middleware,
  type NatsAccess,
  NatsAccessError,
  openBroker,
  ServerTooOldError,
} from "@muster/tasks";
import { checkNatsAccess, watchFall } from "@muster/tasks/operate";
import { traced } from "./tracing/traced.ts";
import { openTracing } from "./tracing/open_tracing.ts";

/** What an app asks of its servers. */
export interface OpenServersOptions {
  /** The name in the servers' lists of connections. */
  readonly name: string;
  /** Sets of tables beside the ledger's own that the app needs. Default: none. */
  readonly tables?: readonly TableSet[];
  /** Most connections to PostgreSQL. */
  readonly databaseConnections: number;
  /** Longest transaction, ms; default 600,000, the longest timeout of the app's tasks. PostgreSQL ends a longer one. */
  readonly transactionTimeoutMs?: number;
}

/** Both servers, connected and up to date. Disposing of it closes the connections. */
export interface OpenServers extends AsyncDisposable {
  readonly broker: Broker;
  readonly database: Database;
  /** Address and login of NATS, for the connection of the framework's own thread. */
  readonly nats: NatsAccess;
  /** Those of every app, which stand before those of the extensions. */
  readonly middleware: readonly Middleware[];
  /** Which VOs have figures of their own in the metrics. */
  readonly vos: KnownVos;
  /** The highest fencing token that the database has stored. */
  highestFence(): Promise<number>;
}

/** Whether an error stays however long one waits. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof ServerTooOldError || error instanceof InvalidSettingsError || error instanceof SchemaAheadError
  );
}

/** Runs `work`. Turns its error about NATS's settings or files into one about a wrong setting. */
async function orBadSetting<Answer>(work: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof NatsAccessError ? new InvalidSettingsError([error]) : error;
  }
}

/** Makes the app unready while the broker cannot store. Returns the function that ends this. */
function tellStorage({ health }: Pick<App, "health">, { storage }: Broker): () => void {
  const tell = () => health.report("storage", storage.problems().join("; ") || undefined);
  tell();
  return storage.onChange(tell);
}

/**
 * Connects an app to NATS and PostgreSQL, and waits for them without a limit. Meanwhile the app is unready, and its
 * health and its log say why. It also waits for missing migrations, so that `muster migrate` may come last.
 *
 * Throws `ServersUnknownError`, `InvalidSettingsError`, `ServerTooOldError`, `SchemaAheadError`, and the app's stop
 * demand.
 */
export async function openServers(app: App, options: OpenServersOptions): Promise<OpenServers> {
  const { settings, log, signal, health, metrics } = app;
  const { name, tables = [], databaseConnections, transactionTimeoutMs } = options;
  const tracing = await openTracing(app);
  const { databaseUrl } = await locateServers(settings);
  const nats = await locateNats(settings);
  await orBadSetting(() => checkNatsAccess(nats));
  const trying = (check: string) => ({
    log,
    signal,
    isFinal,
    report: (reason?: string) => health.report(check, reason),
  });
  await using opened = new AsyncDisposableStack();

  const database = opened.use(
    await openDatabase({
      url: databaseUrl,
      tables,
      poolSize: databaseConnections,
      applicationName: name,
      ...(transactionTimeoutMs === undefined ? {} : { transactionTimeoutMs }),
      note: (message, cause) => log.info({ err: cause }, message),
      tracing: tracing?.database,
    }),
  );
  health.probe("database", () => database.checkSchema());
  const highestFence = () => database.transaction(getHighestFence);
  await insist({ ...trying("schema"), what: "use the database", work: () => database.requireMigrated() });

  const nc = await insist({
    ...trying("NATS"),
    what: "connect to NATS",
    work: () => orBadSetting(() => connectNats({ ...nats, name })),
  });
  opened.defer(() => nc.close());
  health.probe("NATS", () => nc.rtt());
  const vos = knownVos();
  const observer = traced(observeTasks(log, metrics, vos), tracing);
  const replicas = settings.replicas === undefined ? {} : { replicas: settings.replicas };
  const broker = await insist({
    ...trying("streams"),
    what: "declare the streams",
    work: () => openBroker(nc, { observer, highestFence, ...replicas }),
  });
  opened.defer(tellStorage(app, broker));
  const watch = opened.use(watchFall(broker, { onFall: app.fail }));
  await watch.look();
  const kept = opened.move();
  const middleware = tracing === undefined ? [] : [tracing.middleware];
  return { broker, database, nats, vos, middleware, highestFence, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
