// Tested by apps/cli/src/up/processes/mend_nats_test.ts
// Tested by tests/src/up/up_test.ts
import { ensureDatabase, provisionNatsServer, startNatsServer, startPostgres } from "@muster/local";
import { type NatsSettings, readSettings } from "@muster/service";
import { checkNatsAccess } from "@muster/tasks/operate";
import { join } from "node:path";
import type { UpOptions } from "../options/up_options.ts";
import { keepRunning, type KeptRunning, type Running } from "./keep_running.ts";

/** Name of the database in an embedded PostgreSQL. */
const DATABASE = "muster";
/** Longest time that a server may take to end, ms. What it has acknowledged is safe even if it is killed. */
const STOP_GRACE_MS = 1_000;

/** A server that can be used: one of our own that is kept running, or one that the environment names. */
export interface UsableServer {
  readonly url: string;
  /** Ends the server, so that it is started again. Undefined: the server is not ours. */
  readonly restart?: () => Promise<void>;
  stop(): Promise<void>;
}

export interface ServerContext {
  readonly options: UpOptions;
  tell(line: string): void;
  readonly signal: AbortSignal;
}

interface Started {
  readonly url: string;
  readonly port: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stop(graceMs?: number): Promise<void>;
}

/** Starts a server, and starts it again on the same port whenever it ends. */
async function keepServer(
  name: string,
  tell: (line: string) => void,
  start: (port?: number) => Promise<Started>,
): Promise<UsableServer> {
  const first = await start();
  const asRunning = ({ exited, stop }: Started): Running => ({
    ended: exited.then(({ code, signal }) => signal ?? `exit code ${code}`),
    stop: () => stop(STOP_GRACE_MS),
  });
  let next: Started | undefined = first;
  const kept: KeptRunning = await keepRunning({
    name,
    tell,
    async start() {
      const server = next ?? (await start(first.port));
      next = undefined;
      return asRunning(server);
    },
  });
  return { url: first.url, restart: kept.restart, stop: kept.stop };
}

/** Returns the port that an option asks for; undefined: the server chooses. */
function wanted(port: number): number | undefined {
  return port === 0 ? undefined : port;
}

/** A NATS server, and how to log in to it. */
export interface UsableNats extends UsableServer {
  readonly access: NatsSettings;
  /** Variables for a process that connects to it as this one does. They are added to our own environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Settings that say how to log in to a server that is not ours. */
const OTHERS = [
  ...["NATS_CONTEXT", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_NKEY", "NATS_CREDS", "NATS_JWT", "NATS_SEED"],
  ...["NATS_PASSWORD_FILE", "NATS_CA", "NATS_CERT", "NATS_KEY", "NATS_TLS_FIRST", "NATS_INBOX_PREFIX"],
];

/** Opens the NATS server of `NATS_URL` or `NATS_CONTEXT`, or one of our own, which needs no login. */
export async function openNats({ options, tell, signal }: ServerContext): Promise<UsableNats> {
  const { natsUrl, nats } = readSettings();
  if (natsUrl !== undefined) {
    checkNatsAccess({ ...nats, url: natsUrl });
    return { url: natsUrl, access: nats, environment: {}, stop: async () => {} };
  }
  const dataDir = join(options.dataDir, "nats");
  const binary = await provisionNatsServer(tell, signal);
  const server = await keepServer("nats-server", tell, async (port = wanted(options.natsPort)) => {
    const server = await startNatsServer({ binary, dataDir, port, portOption: "--nats-port", onProgress: tell });
    tell(`nats-server ${server.version} serves at ${server.url}`);
    return server;
  });
  const environment = { ...Object.fromEntries(OTHERS.map((name) => [name, ""])), NATS_URL: server.url };
  return { ...server, access: {}, environment };
}

/** Opens the database of `DATABASE_URL`, or one in a PostgreSQL of our own. */
export async function openPostgres({ options, tell }: ServerContext): Promise<UsableServer> {
  const url = process.env["DATABASE_URL"]?.trim();
  if (url) return { url, stop: async () => {} };
  const dataDir = join(options.dataDir, "postgres");
  return await keepServer("PostgreSQL", tell, async (port = wanted(options.postgresPort)) => {
    const server = await startPostgres({ dataDir, port, portOption: "--postgres-port", onProgress: tell });
    tell(`PostgreSQL serves at port ${server.port}`);
    return { ...server, url: await ensureDatabase(server, DATABASE) };
  });
}
