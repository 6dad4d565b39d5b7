// Tested by apps/cli/src/up/processes/mend_nats_test.ts
// Tested by tests/src/up/up_test.ts
import { ensureDatabase, provisionNatsServer, startNatsServer, startPostgres } from "@muster/local";
import { type NatsSettings, readSettings } from "@muster/service";
import { checkNatsAccess } from "@muster/tasks/operate";
import { join } from "node:path";
import type { UpOptions } from "../options/up_options.ts";
import { keepRunning, type KeptRunning, type Running } from "./keep_running.ts";

/** The database in an embedded PostgreSQL. */
const DATABASE = "muster";
/** How long a server may take to end, ms; what it has acknowledged is safe then too. */
const STOP_GRACE_MS = 1_000;

/** A server that is there for us: ours, kept running, or one that the environment names. */
export interface UsableServer {
  readonly url: string;
  /** Ends it, so that it is started again. Undefined: it is none of ours. */
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

/** Starts a server, and again on the same port whenever it ends. */
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

/** What a port option asks for: undefined lets the server choose. */
function wanted(port: number): number | undefined {
  return port === 0 ? undefined : port;
}

/** A NATS server, and how to log in there. */
export interface UsableNats extends UsableServer {
  readonly access: NatsSettings;
  /** For a process that is to reach it as we do, beside what our own environment says. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Settings that say how to log in to another server than ours. */
const OTHERS = [
  ...["NATS_CONTEXT", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_NKEY", "NATS_CREDS", "NATS_JWT", "NATS_SEED"],
  ...["NATS_CA", "NATS_CERT", "NATS_KEY", "NATS_TLS_FIRST", "NATS_INBOX_PREFIX"],
];

/** The NATS server of `NATS_URL` or `NATS_CONTEXT`, or one of our own, which lets everybody in. */
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

/** The database of `DATABASE_URL`, or one in a PostgreSQL of our own. */
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
