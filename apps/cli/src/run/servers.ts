import { type Database, type DatabaseOptions, getHighestFence, openDatabase } from "@muster/ledger";
import { locateNats as locate, locateServer, readSettings } from "@muster/service";
import { type Broker, connectNats, type NatsAccess, type Observer, openBroker } from "@muster/tasks";
import { checkNatsAccess, type Configuration, findConfiguration } from "@muster/tasks/operate";
import { ourExtensions, requirePilots } from "./extensions.ts";
import { complain, isWrongSetting } from "./failure.ts";

const NAME = "muster";

/** What goes on beside the command's answer belongs on standard error. */
const onStandardError: Observer = {
  alarm: (message) => complain(message),
  note() {},
  step() {},
};

/** The database that the settings name. Throws `ServersUnknownError`. */
export async function locateDatabase(): Promise<string> {
  return await locateServer("databaseUrl", readSettings());
}

/** NATS as the settings name it. Throws `ServersUnknownError`. */
export async function locateNats(): Promise<NatsAccess> {
  return await locate(readSettings());
}

/** Throws where a setting is wrong by itself, also one of NATS's files or an extension. Asks no server. */
export async function checkSettings(): Promise<void> {
  await ourExtensions();
  try {
    checkNatsAccess(await locateNats());
  } catch (error) {
    // Where a server is, and whether anybody knows, is for the commands that need it.
    if (isWrongSetting(error)) throw error;
  }
}

/** Opens a database that has the tables of all extensions. */
export async function openOwnDatabase(options: Omit<DatabaseOptions, "tables">): Promise<Database> {
  return await openDatabase({ ...options, tables: (await ourExtensions()).tables });
}

/** Runs `work` on the database, whose schema must be the one of this program. */
export async function withDatabase<Answer>(work: (database: Database) => Promise<Answer>): Promise<Answer> {
  await using database = await openOwnDatabase({ url: await locateDatabase(), poolSize: 2, applicationName: NAME });
  await database.requireMigrated();
  return await work(database);
}

/** Like {@linkcode withDatabase}, for commands about CEs and pilots. Throws `UsageError` where no extension brings their tables. */
export async function withPilots<Answer>(work: (database: Database) => Promise<Answer>): Promise<Answer> {
  await requirePilots();
  return await withDatabase(work);
}

/** Runs `work` on NATS, whose streams are declared where they are missing. */
export async function withBroker<Answer>(
  work: (broker: Broker) => Promise<Answer>,
  highestFence?: () => Promise<number>,
): Promise<Answer> {
  const nc = await connectNats({ ...(await locateNats()), name: NAME });
  try {
    const fence = highestFence === undefined ? {} : { highestFence };
    return await work(await openBroker(nc, { observer: onStandardError, ...fence }));
  } finally {
    await nc.close();
  }
}

/** The configuration in force. Says on standard error why a newer revision is not, and what to do about it. */
export async function readConfigurationAloud(broker: Broker): Promise<Configuration> {
  const { configuration, problem } = await findConfiguration(broker);
  if (problem !== undefined) complain(problem.text);
  return configuration;
}

/** Both at once. */
export interface Both {
  readonly broker: Broker;
  readonly database: Database;
  readonly nats: NatsAccess;
  highestFence(): Promise<number>;
}

/** Runs `work` on NATS and the database. */
export async function withBoth<Answer>(work: (both: Both) => Promise<Answer>): Promise<Answer> {
  return await withDatabase(async (database) => {
    const highestFence = () => database.transaction(getHighestFence);
    const nats = await locateNats();
    return await withBroker((broker) => work({ broker, database, nats, highestFence }), highestFence);
  });
}
