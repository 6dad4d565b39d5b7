import { glob, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { claimDataFolder } from "../process/claim.ts";
import { assertPortFree } from "../process/port.ts";
import { logEnd, whenReady } from "../process/readiness.ts";
import { type Exit, startServerProcess } from "../process/server_process.ts";
import { provisionNatsServer } from "../provision/nats_server.ts";
import { renderServerConfig, type SyncInterval } from "./server_config.ts";
import { readNatsServerVersion } from "../provision/nats_server_version.ts";

/** Longest time that a server may take to end before it is killed, ms. Its streams are safe at any moment. */
const STOP_GRACE_MS = 3_000;

export interface NatsServerOptions {
  /** Folder of the streams, the configuration and the log. Made if it is missing. A server started here again has the same streams. */
  readonly dataDir: string;
  /** Port to listen on; by default a free port that the server takes. */
  readonly port?: number | undefined;
  /** The option that a {@linkcode PortTakenError} tells the user to change, default `port`. */
  readonly portOption?: string | undefined;
  /** `always` (default) loses nothing that was acknowledged, even if the power fails. `lazy` is faster, and may then lose two minutes. */
  readonly syncInterval?: SyncInterval | undefined;
  /** More lines at the end of the server's configuration, such as its users. */
  readonly moreConfig?: string | undefined;
  /** The nats-server to run; by default the one that {@linkcode provisionNatsServer} finds. */
  readonly binary?: string | undefined;
  /** Called with one line for each thing that takes time. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Ends the search for a nats-server. */
  readonly signal?: AbortSignal | undefined;
}

/** A running nats-server with JetStream, on loopback. It ends with this process at the latest. */
export interface NatsServer extends AsyncDisposable {
  /** E.g. `nats://127.0.0.1:4222`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  readonly dataDir: string;
  /** Resolves when the server has ended, for any reason. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Shuts the server down, and kills it when that takes longer than `graceMs`, default 3 s. Resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** Sends a signal at once, e.g. `SIGKILL` to simulate a crash. Await {@linkcode exited} before a new start. */
  kill(signal: NodeJS.Signals): void;
}

/** Reads the port from the file that the server writes when it is ready. The file is named after the program on this machine. */
async function readPortsFile(dataDir: string, program: string, pid: number): Promise<number | undefined> {
  try {
    const { nats } = JSON.parse(await readFile(join(dataDir, `${program}_${pid}.ports`), "utf8"));
    return Number(new URL(nats[0]).port);
  } catch {
    return undefined; // not written yet, or only in part
  }
}

/** Removes the port files of servers that were killed. */
async function removePortsFiles(dataDir: string): Promise<void> {
  for await (const name of glob("*.ports", { cwd: dataDir })) await rm(join(dataDir, name), { force: true });
}

/**
 * Starts nats-server and waits until it is ready, about 40 ms.
 *
 * Throws {@linkcode PortTakenError}, {@linkcode DataFolderInUseError} and {@linkcode NatsServerTooOldError}. Throws {@linkcode
 * NoNatsServerError} where no source has one, and {@linkcode ServerStartError} with the end of its log.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { port, portOption = "port", syncInterval = "always", onProgress = () => {}, signal } = options;
  const dataDir = resolve(options.dataDir);
  const binary = options.binary ?? (await provisionNatsServer(onProgress, signal));
  const version = await readNatsServerVersion(binary);
  await claimDataFolder(dataDir, onProgress);
  await removePortsFiles(dataDir);
  if (port !== undefined) await assertPortFree(port, portOption);

  const configFile = join(dataDir, "nats-server.conf");
  const logFile = join(dataDir, "nats-server.log");
  await writeFile(
    configFile,
    renderServerConfig({ dataDir, port: port ?? -1, syncInterval }) + (options.moreConfig ?? ""),
  );
  const logFrom = await logEnd(logFile);
  const serverProcess = await startServerProcess({
    command: binary,
    args: ["-c", configFile],
    dataDir,
    logFile,
    stopSignal: "SIGTERM",
  });
  const { pid, exited, kill } = serverProcess;
  const look = () => readPortsFile(dataDir, basename(binary), pid);
  const actualPort = await whenReady({ server: "nats-server", serverProcess, logFile, logFrom, look });
  const stop = (graceMs = STOP_GRACE_MS) => serverProcess.stop(graceMs);
  const url = `nats://127.0.0.1:${actualPort}`;
  return { url, port: actualPort, pid, version, dataDir, exited, stop, kill, [Symbol.asyncDispose]: () => stop() };
}
