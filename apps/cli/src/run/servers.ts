// Tested by tests/src/cli/cli_test.ts
import type { Database, DatabaseOptions } from "@muster/ledger";
import { locateNats as locate, locateServer, readSettings, ServersUnknownError } from "@muster/service";
import {
  type Broker,
  type BrokerOptions,
  connectNats,
  type NatsAccess,
  type Observer,
  openBroker,
} from "@muster/tasks";
import { checkNatsAccess, type Configuration, findConfiguration } from "@muster/tasks/operate";
import { checkExtensions, ourExtensions, requirePilots } from "./extensions.ts";
import { complain, isWrongSetting } from "./failure.ts";
import { ownTracing, withSpans } from "./tracing.ts";

const NAME = "muster";

/** An observer that writes on standard error, since standard output is for the command's result. */
const onStandardError: Observer = {
  alarm: (message) => complain(message),
  note() {},
  step() {},
  line: ({ text, task, taskId, vo, attempt }) => complain(`${text} (${task} ${taskId}, VO ${vo}, attempt ${attempt})`),
};

/** Finds the database that the settings name. Throws `ServersUnknownError`. */
export async function locateDatabase(): Promise<string> {
  return await locateServer("databaseUrl", readSettings());
}

/** Finds the NATS server that the settings name. Throws `ServersUnknownError`. */
export async function locateNats(): Promise<NatsAccess> {
  return await locate(readSettings());
}

/**
 * Throws where a setting is wrong, or a file for NATS or an extension that it names. Asks no server. `natsFiles` are not looked at for a
 * command that can do without NATS: they may not be made yet, and `nats-users` is a part of making them.
 */
export async function checkSettings(natsFiles: "looked at" | "not needed"): Promise<void> {
  await checkExtensions();
  if (natsFiles === "not needed") {
    readSettings();
    return;
  }
  try {
    checkNatsAccess(await locateNats());
  } catch (error) {
    // A setting that is absent is not wrong. Only a command that needs the server has to know its address.
    if (isWrongSetting(error)) throw error;
  }
}

/** Opens a database that has the tables of all extensions. */
export async function openOwnDatabase(options: Omit<DatabaseOptions, "tables">): Promise<Database> {
  // Loaded late: a command that asks NATS alone starts in half the time.
  const { openDatabase } = await import("@muster/ledger");
  const tracing = (await ownTracing())?.database;
  return await openDatabase({ ...options, tables: (await ourExtensions()).tables, tracing });
}

/** What one look of `--watch` leaves to the next: servers that are connected. Undefined: nobody watches. Only this file writes and reads it. */
interface KeptServers {
  database: Database | undefined;
  broker: Broker | undefined;
}
let kept: KeptServers | undefined;

/** Closes what was kept. The next look connects again. */
export async function letServersGo(): Promise<void> {
  if (kept === undefined) return;
  const { database, broker } = kept;
  kept = { database: undefined, broker: undefined };
  await Promise.all([database?.[Symbol.asyncDispose](), broker?.nc.close()]);
}

/** Runs `work`, in which servers stay connected from one use to the next. */
export async function keepingServers(work: () => Promise<void>): Promise<void> {
  kept = { database: undefined, broker: undefined };
  try {
    await work();
  } finally {
    await letServersGo();
    kept = undefined;
  }
}

/** Runs `work` on the database, whose schema must have the version of this program. */
export async function withDatabase<Answer>(work: (database: Database) => Promise<Answer>): Promise<Answer> {
  if (kept?.database !== undefined) return await work(kept.database);
  await using opened = new AsyncDisposableStack();
  const database = opened.use(
    await openOwnDatabase({ url: await locateDatabase(), poolSize: 2, applicationName: NAME }),
  );
  await database.requireMigrated();
  if (kept !== undefined) {
    kept.database = database;
    opened.move();
  }
  return await work(database);
}

/** Like {@linkcode withDatabase}, and without a database where no setting names one. */
export async function withDatabaseIfKnown<Answer>(
  work: (database: Database | undefined) => Promise<Answer>,
): Promise<Answer> {
  try {
    await locateDatabase();
  } catch (error) {
    if (error instanceof ServersUnknownError) return await work(undefined);
    throw error;
  }
  return await withDatabase(work);
}

/** Like {@linkcode withDatabase}, for commands about CEs and pilots. Throws `UsageError` where no extension brings their tables. */
export async function withPilots<Answer>(work: (database: Database) => Promise<Answer>): Promise<Answer> {
  await requirePilots();
  return await withDatabase(work);
}

/** How a command declares what is missing. It gives no stream more copies: the apps do, and their setting may be another one than ours. */
export function ownCopies(): Pick<BrokerOptions, "replicas" | "fewerCopies"> {
  const { replicas } = readSettings();
  return { fewerCopies: "left", ...(replicas === undefined ? {} : { replicas }) };
}

/** Runs `work` on NATS. Missing streams are declared first. */
export async function withBroker<Answer>(
  work: (broker: Broker) => Promise<Answer>,
  highestFence?: () => Promise<number>,
): Promise<Answer> {
  if (kept?.broker !== undefined) return await work(kept.broker);
  await using opened = new AsyncDisposableStack();
  const nc = await connectNats({ ...(await locateNats()), name: NAME });
  opened.defer(() => nc.close());
  const fence = highestFence === undefined ? {} : { highestFence };
  const broker = await openBroker(nc, { observer: await withSpans(onStandardError), ...ownCopies(), ...fence });
  if (kept !== undefined) {
    kept.broker = broker;
    opened.move();
  }
  return await work(broker);
}

/** Returns the configuration in force. If a newer revision is not in force, it says on standard error why, and what to do. */
export async function readConfigurationAloud(broker: Broker): Promise<Configuration> {
  const { configuration, problem } = await findConfiguration(broker);
  if (problem !== undefined) complain(problem.text);
  return configuration;
}

/** Both servers, connected. */
export interface Both {
  readonly broker: Broker;
  readonly database: Database;
  readonly nats: NatsAccess;
  highestFence(): Promise<number>;
}

/** Runs `work` on NATS and the database. */
export async function withBoth<Answer>(work: (both: Both) => Promise<Answer>): Promise<Answer> {
  return await withDatabase(async (database) => {
    const { getHighestFence } = await import("@muster/ledger");
    const highestFence = () => database.transaction(getHighestFence);
    const nats = await locateNats();
    return await withBroker((broker) => work({ broker, database, nats, highestFence }), highestFence);
  });
}
