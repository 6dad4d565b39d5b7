import { findRunning, readRunning, type Running } from "./running.ts";
import type { Settings } from "./settings.ts";

/** Where NATS and PostgreSQL are. */
export interface Servers {
  readonly natsUrl: string;
  readonly databaseUrl: string;
}

/** Nobody said where a server is. */
export class ServersUnknownError extends Error {
  override readonly name = "ServersUnknownError";
  /** The settings that are missing. */
  readonly missing: readonly string[];
  constructor(missing: readonly string[]) {
    const verb = missing.length === 1 ? "is" : "are";
    super(
      `Cannot find the servers: ${missing.join(" and ")} ${verb} not set and no \`muster up\` runs in this folder or above; ` +
        "set what is missing, or run `npm start` beside this",
    );
    this.missing = missing;
  }
}

/** What {@linkcode locateServers} looks at. */
export interface ServersInput extends Pick<Settings, "natsUrl" | "databaseUrl"> {
  /** The data folder of a `muster up` (`MUSTER_DATA_DIR`); default: `.muster` in the present folder or above. */
  readonly dataDir?: string | undefined;
}

function look(dataDir: string | undefined): Promise<Running | undefined> {
  return dataDir === undefined ? findRunning(process.cwd()) : readRunning(dataDir);
}

/**
 * The servers that the settings name; one that they do not name is taken from a `muster up` that runs on this machine.
 *
 * Throws {@linkcode ServersUnknownError}.
 */
export async function locateServers({ natsUrl, databaseUrl, dataDir }: ServersInput): Promise<Servers> {
  if (natsUrl !== undefined && databaseUrl !== undefined) return { natsUrl, databaseUrl };
  const running = await look(dataDir);
  const found = { natsUrl: natsUrl ?? running?.natsUrl, databaseUrl: databaseUrl ?? running?.databaseUrl };
  if (found.natsUrl !== undefined && found.databaseUrl !== undefined) {
    return { natsUrl: found.natsUrl, databaseUrl: found.databaseUrl };
  }
  const missing = [
    ...(found.natsUrl === undefined ? ["NATS_URL"] : []),
    ...(found.databaseUrl === undefined ? ["DATABASE_URL"] : []),
  ];
  throw new ServersUnknownError(missing);
}
