import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { claimDataFolder } from "../process/claim.ts";
import { assertPortFree, findFreePort, LOOPBACK } from "../process/port.ts";
import { findProcess, findWorkingIn, signalProcess } from "../process/process_table.ts";
import { logEnd, ServerStartError, whenReady } from "../process/readiness.ts";
import { type Exit, startServerProcess } from "../process/server_process.ts";
import { openCluster, SUPERUSER } from "./cluster.ts";
import { openDataFolder } from "./data_folder.ts";
import { findPostgresPrograms } from "./programs.ts";
import { choosePostgresUser } from "./server_user.ts";

/** Longest time that PostgreSQL may take to end before it is killed, ms. Committed data is safe at any moment. */
const STOP_GRACE_MS = 4_000;

/** Largest number of starts. Another program may take our free port, and a killed server's backends take a moment to end. */
const STARTS = 5;

/** Pause before the next start, ms. */
const RETRY_AFTER_MS = 200;

/** What a commit survives: `full` a loss of power, `none` only an orderly end of PostgreSQL. */
export type Durability = "full" | "none";

export interface PostgresOptions {
  /** Folder of the database cluster and the log. Made if it is missing. A server started here again has the same databases. */
  readonly dataDir: string;
  /** Port to listen on; by default a free one. */
  readonly port?: number | undefined;
  /** The option that a {@linkcode PortTakenError} tells the user to change, default `port`. */
  readonly portOption?: string | undefined;
  /** Folder of `postgres` and `initdb`, version 14 or newer. Default: the folder in the package for this machine. */
  readonly programs?: string | undefined;
  /** Default `full`. With `none` even a SIGKILL may lose the last commits, so it is only for tests without crashes. */
  readonly durability?: Durability | undefined;
  /** Called with one line for each thing that takes time. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** A running PostgreSQL on loopback. It ends with this process at the latest. */
export interface Postgres extends AsyncDisposable {
  /** URL of the database `postgres`, with the superuser's name and password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  /** Resolves when the server has ended, for any reason. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends every session and shuts down. The server is killed after `graceMs`, default 4 s. Resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** Sends a signal at once, e.g. `SIGKILL` to simulate a crash. Await {@linkcode exited} before a new start. */
  kill(signal: NodeJS.Signals): void;
}

const DURABILITY: Readonly<Record<Durability, readonly string[]>> = {
  full: ["fsync=on", "synchronous_commit=on"],
  none: ["fsync=off", "synchronous_commit=off", "full_page_writes=off"],
};

function settings(port: number, durability: Durability): string[] {
  const all = [
    `listen_addresses=${LOOPBACK}`,
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=200",
    "logging_collector=off",
    ...DURABILITY[durability],
  ];
  return all.flatMap((setting) => ["-c", setting]);
}

async function readPidFile(pgData: string): Promise<string[]> {
  try {
    return (await readFile(join(pgData, "postmaster.pid"), "utf8")).split("\n");
  } catch {
    return []; // no server, or one that is starting or ending
  }
}

/**
 * Removes a killed server's pid file if another program now has the process id in it. PostgreSQL would take that program for itself, and
 * refuse to start. PostgreSQL judges every other case better than we could.
 */
async function removeMisleadingPidFile(pgData: string): Promise<void> {
  const pid = Number((await readPidFile(pgData))[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  const found = await findProcess(pid);
  if (found === undefined || found.commandLine.includes(pgData)) return;
  await rm(join(pgData, "postmaster.pid"), { force: true });
}

/**
 * Kills the processes that an ended PostgreSQL has left in the folder. They were frozen, so they did not notice its end. While they live,
 * no other PostgreSQL can start there.
 */
async function endStrays(pgData: string): Promise<void> {
  for (const { pid, commandLine } of await findWorkingIn(pgData)) {
    if (commandLine.startsWith("postgres:")) signalProcess(pid, "SIGKILL");
  }
}

/** Whether a later start may succeed. PostgreSQL ends with the same exit code for every reason, so only its log shows which it was. */
function isPassing({ log }: ServerStartError): boolean {
  return log.includes("Address already in use") || log.includes("shared memory block");
}

/** Whether the server in the pid file is ours and has noted there that it accepts connections. */
async function isReady(pgData: string, pid: number): Promise<true | undefined> {
  const lines = await readPidFile(pgData);
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready" ? true : undefined;
}

/**
 * Starts PostgreSQL and waits until it accepts connections: about 0.8 s in a new folder, 50 ms later on.
 *
 * PostgreSQL refuses to run as root, so for root it runs as the user nobody. If that user cannot reach the data folder, the data is kept in
 * `/var/lib/muster`.
 *
 * Throws {@linkcode PortTakenError}, {@linkcode DataFolderInUseError}, {@linkcode NoPostgresError}, and {@linkcode ServerStartError} with
 * the end of its log.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { portOption = "port", durability = "full", onProgress = () => {} } = options;
  const user = choosePostgresUser();
  const programs = await findPostgresPrograms(user, options.programs);
  const folder = await openDataFolder(resolve(options.dataDir), user);
  await claimDataFolder(folder, onProgress);
  if (options.port !== undefined) await assertPortFree(options.port, portOption);
  const { pgData, password } = await openCluster({ folder, programs, user, onProgress });
  await removeMisleadingPidFile(pgData);
  await endStrays(pgData);

  async function start(): Promise<Postgres> {
    const port = options.port ?? (await findFreePort());
    const logFile = join(folder, "postgres.log");
    const logFrom = await logEnd(logFile);
    const args = ["-D", pgData, ...settings(port, durability)];
    const command = join(programs, "postgres");
    const serverProcess = await startServerProcess({
      command,
      args,
      dataDir: folder,
      logFile,
      stopSignal: "SIGINT",
      user,
      env: {},
    });
    const { pid, exited, kill } = serverProcess;
    await whenReady({ server: "PostgreSQL", serverProcess, logFile, logFrom, look: () => isReady(pgData, pid) });
    const stop = (graceMs = STOP_GRACE_MS) => serverProcess.stop(graceMs);
    const url = `postgres://${SUPERUSER}:${password}@${LOOPBACK}:${port}/postgres`;
    return { url, port, pid, dataDir: folder, exited, stop, kill, [Symbol.asyncDispose]: () => stop() };
  }

  for (let left = STARTS - 1; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0 || !(error instanceof ServerStartError) || !isPassing(error)) throw error;
      await pause(RETRY_AFTER_MS);
    }
  }
}
