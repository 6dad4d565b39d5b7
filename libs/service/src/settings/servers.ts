import { resolve } from "node:path";
import { findRunning, readRunning, type Running } from "./running.ts";
import type { NatsSettings } from "./nats_settings.ts";
import type { Settings } from "./settings.ts";

/** Where NATS and PostgreSQL are. */
export interface Servers {
  readonly natsUrl: string;
  readonly databaseUrl: string;
}

/** No setting says where a server is, and none was found. */
export class ServersUnknownError extends Error {
  override readonly name = "ServersUnknownError";
  /** The settings that are missing. */
  readonly missing: readonly string[];
  /** `dataDir` is the folder that `MUSTER_DATA_DIR` names. Without it, `folder` and those above it were searched. */
  constructor(missing: readonly string[], { dataDir, folder }: { dataDir: string | undefined; folder: string }) {
    const verb = missing.length === 1 ? "is" : "are";
    const where =
      dataDir === undefined
        ? `in ${folder} or above`
        : `on the data folder ${resolve(dataDir)}, which MUSTER_DATA_DIR names`;
    const start = dataDir === undefined ? "run `npm start` beside this" : "start it there, or mend MUSTER_DATA_DIR";
    super(
      `Cannot find the servers: ${missing.join(" and ")} ${verb} not set and no \`muster up\` runs ${where}; ` +
        `set what is missing, or ${start}`,
    );
    this.missing = missing;
  }
}

/** The settings that {@linkcode locateServers} reads. */
export interface ServersInput extends Pick<Settings, "natsUrl" | "databaseUrl"> {
  /** The data folder of a `muster up` (`MUSTER_DATA_DIR`). Default: `.muster` in the current folder or above. */
  readonly dataDir?: string | undefined;
}

function look(dataDir: string | undefined): Promise<Running | undefined> {
  return dataDir === undefined ? findRunning(process.cwd()) : readRunning(dataDir);
}

const VARIABLES = { natsUrl: "NATS_URL", databaseUrl: "DATABASE_URL" } as const;

async function locate<Kind extends keyof Servers>(
  wanted: readonly Kind[],
  input: ServersInput,
): Promise<Pick<Servers, Kind>> {
  const isNamed = wanted.every((kind) => input[kind] !== undefined);
  const running = isNamed ? undefined : await look(input.dataDir);
  const found: Partial<Record<keyof Servers, string>> = {};
  for (const kind of wanted) {
    const url = input[kind] ?? running?.[kind];
    if (url !== undefined) found[kind] = url;
  }
  const missing = wanted.filter((kind) => found[kind] === undefined).map((kind) => VARIABLES[kind]);
  if (missing.length > 0) throw new ServersUnknownError(missing, { dataDir: input.dataDir, folder: process.cwd() });
  return found as Pick<Servers, Kind>;
}

/**
 * Finds the servers that the settings name. One that they do not name is taken from a `muster up` that runs on this
 * machine.
 *
 * Throws {@linkcode ServersUnknownError}.
 */
export async function locateServers(input: ServersInput): Promise<Servers> {
  return await locate(["natsUrl", "databaseUrl"], input);
}

/** Like {@linkcode locateServers}, for only one of them. */
export async function locateServer(kind: keyof Servers, input: ServersInput): Promise<string> {
  const found = await locate([kind], input);
  return found[kind];
}

/** Where NATS is, and how to reach it and log in there. */
export interface Nats extends NatsSettings {
  readonly url: string;
}

/**
 * Finds NATS as the settings name it. Where they name none, takes that of a `muster up` that runs on this machine.
 *
 * Throws {@linkcode ServersUnknownError}.
 */
export async function locateNats(input: ServersInput & Pick<Settings, "nats">): Promise<Nats> {
  const url = await locateServer("natsUrl", input);
  const isSaid = input.natsUrl !== undefined || Object.keys(input.nats).length > 0;
  const running = isSaid ? undefined : await look(input.dataDir);
  return { url, ...(running?.nats ?? input.nats) };
}

/**
 * The folder in which the nats-server of a `muster up` on this machine keeps its streams. Undefined where the settings
 * name another server, or none runs.
 */
export async function locateDataFolder(input: ServersInput): Promise<string | undefined> {
  return input.natsUrl === undefined ? (await look(input.dataDir))?.natsDataDir : undefined;
}
