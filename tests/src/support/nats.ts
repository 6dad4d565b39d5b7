import { findFreePort, type NatsServer, startNatsServer } from "@muster/local";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NatsConnection } from "@nats-io/transport-node";
import { until } from "./until.ts";

/** One nats-server or several, on ports and in folders of their own. Disposing of it ends them and deletes the folders. */
export interface TestServers extends AsyncDisposable {
  readonly url: string;
  /** Kills the server, so it cannot close its connections in order. `start` starts it again on the same port with the same streams. */
  kill(): Promise<void>;
  /** Shuts the server down in order. `start` starts it again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** A nats-server in a folder of its own. */
export interface TestNats extends TestServers {
  /** Freezes the server until `resume`: it answers nothing, and keeps its connections. */
  pause(): void;
  resume(): void;
  /** Writes other lines of configuration, and makes the running server read them. */
  reload(config: string): Promise<void>;
  /** URL of its WebSocket, if its configuration has one. */
  websocketUrl(): Promise<string>;
}

/** One server of a test, whose process the test may examine. */
export interface SingleNats extends TestNats {
  /** Copies what the stopped server has stored into a new folder. */
  copyStore(folder: string): Promise<void>;
  /** Puts such a copy in the place of what the stopped server has stored. */
  restoreStore(folder: string): Promise<void>;
  /** Id of the process that serves now. */
  readonly pid: number;
}

export interface TestNatsOptions {
  /** Whether it keeps acknowledged data over a loss of power. It is slower then. */
  readonly sync?: boolean;
  /** Lines for the end of its configuration. */
  readonly config?: string;
  /** Limit of the size of all its streams, e.g. `1MB`. */
  readonly maxFileStore?: string;
}

/** Largest size of a file of the server on a simulated full disk, bytes. */
const FULL_AT_BYTES = 20_000;

/**
 * Simulates a full disk: no file of the server grows beyond `bytes`. Without `bytes` there is room again.
 *
 * The server treats it like "no space left on device" (measured with nats-server 2.15.1).
 */
export async function limitFiles({ pid }: Pick<SingleNats, "pid">, bytes?: number): Promise<void> {
  await promisify(execFile)("prlimit", ["--pid", String(pid), `--fsize=${bytes ?? "unlimited"}:unlimited`]);
}

/**
 * Fills the disk until a message on `subject` has failed for that reason, and then makes room again.
 *
 * From then on the stream keeps its write error until the server is started again.
 */
export async function breakStream(
  nats: Pick<SingleNats, "pid">,
  nc: NatsConnection,
  { stream, subject }: { readonly stream: string; readonly subject: string },
): Promise<void> {
  await limitFiles(nats, FULL_AT_BYTES);
  for (let count = 0; count < 4; count++) nc.publish(subject, "x".repeat(FULL_AT_BYTES / 2));
  // The broken stream refuses even to purge messages that do not exist.
  const ask = () =>
    nc.request(`$JS.API.STREAM.PURGE.${stream}`, '{"filter":"none.of.its.subjects"}', { timeout: 10_000 });
  await until(
    async () => ((await ask()).json<{ error?: object }>().error === undefined ? undefined : true),
    "the error",
  );
  await limitFiles(nats);
}

/** Lets a login take at most a minute. The server's default is 2 s, which a machine under load may exceed. */
function withPatience(config: string | undefined): string | undefined {
  if (config === undefined) return undefined;
  const block = "authorization {";
  return config.includes(block)
    ? config.replaceAll(block, `${block} timeout: 60, `)
    : `${config}authorization { timeout: 60 }\n`;
}

/** Starts a nats-server for one test, about 40 ms. */
export async function startTestNats({
  sync = false,
  maxFileStore,
  ...options
}: TestNatsOptions = {}): Promise<SingleNats> {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-nats-"));
  // The last block of this name counts.
  const limited = `jetstream { store_dir: ${JSON.stringify(dataDir)}, max_file_store: ${maxFileStore} }\n`;
  let config = withPatience(maxFileStore === undefined ? options.config : limited + (options.config ?? ""));
  const syncInterval = sync ? "always" : "lazy";
  // A port that is still free after a kill: nobody's connection takes it meanwhile.
  const port = await findFreePort();
  let server: NatsServer = await startNatsServer({ dataDir, port, syncInterval, moreConfig: config });
  const { url } = server;
  return {
    url,
    get pid() {
      return server.pid;
    },
    async kill() {
      server.kill("SIGKILL");
      await server.exited;
    },
    stop: () => server.stop(),
    async start() {
      server = await startNatsServer({ dataDir, port, syncInterval, moreConfig: config });
    },
    copyStore: (folder) => cp(join(dataDir, "jetstream"), folder, { recursive: true }),
    async restoreStore(folder) {
      await rm(join(dataDir, "jetstream"), { recursive: true, force: true });
      await cp(folder, join(dataDir, "jetstream"), { recursive: true });
    },
    pause: () => server.kill("SIGSTOP"),
    resume: () => server.kill("SIGCONT"),
    async reload(changed) {
      const next = withPatience(changed) ?? "";
      const file = join(dataDir, "nats-server.conf");
      const before = await readFile(file, "utf8");
      await writeFile(file, before.slice(0, before.length - (config ?? "").length) + next);
      config = next;
      server.kill("SIGHUP");
    },
    async websocketUrl() {
      const names = await readdir(dataDir);
      const ports = names.find((name) => name.endsWith(`_${server.pid}.ports`)) ?? "none.ports";
      const { websocket } = JSON.parse(await readFile(join(dataDir, ports), "utf8"));
      return websocket[0];
    },
    async [Symbol.asyncDispose]() {
      server.kill("SIGCONT"); // a frozen server would not notice that it has to stop
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
