import { findFreePort, provisionNatsServer, type ServerProcess, startServerProcess } from "@muster/local";
import { connectNats, type NatsAccess } from "@muster/tasks";
import { inboxPrefixOf } from "@muster/tasks/operate";
import { jetstreamManager } from "@nats-io/jetstream";
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { areWhole } from "./cluster.ts";
import { until } from "./until.ts";

const FILES = join(import.meta.dirname, "..", "..", "..", "infra", "nats");
const STOP_GRACE_MS = 5_000;

/** Servers with the files of infra/nats: TLS, accounts and users. */
export interface GuardedNats extends AsyncDisposable {
  readonly url: string;
  /** How a user of users.conf reaches it. */
  access(user: string): NatsAccess;
  /** The same as settings. */
  env(user: string): Record<string, string>;
  /** All passwords, which no log may show. */
  secrets(): Promise<readonly string[]>;
  /** Stops the servers and starts them again, one after the other. */
  restart(): Promise<void>;
  /** What the servers have written to their logs so far. */
  log(): Promise<string>;
}

export interface GuardedOptions {
  readonly servers?: 1 | 3;
  /** The text of users.conf; default: the file itself. */
  readonly users?: string;
}

interface Ports {
  readonly client: number;
  readonly monitor: number;
  readonly route: number;
}

/** Replaces what only fits a container. Throws where a file no longer holds it. */
function moved(text: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`Cannot use infra/nats in a test: no file holds ${from}`);
    return before.replaceAll(from, to);
  }, text);
}

/** Writes the files into `etc`, as an operator puts them into /etc/nats. */
async function layOut(etc: string, dataDir: string, { client, monitor, route }: Ports): Promise<void> {
  const server = moved(await readFile(join(FILES, "server.conf"), "utf8"), [
    ["0.0.0.0:4222", `127.0.0.1:${client}`],
    ["127.0.0.1:8222", `127.0.0.1:${monitor}`],
    ["/etc/nats", etc],
    ["/data/", `${dataDir}/`],
  ]);
  const cluster = moved(await readFile(join(FILES, "cluster.conf"), "utf8"), [
    ["0.0.0.0:6222", `127.0.0.1:${route}`],
    ["/etc/nats", etc],
  ]);
  await writeFile(join(etc, "server.conf"), server);
  await writeFile(join(etc, "cluster.conf"), cluster);
}

/** Starts one server, or a cluster of three, with the files of infra/nats. */
export async function startGuardedNats({ servers = 1, users }: GuardedOptions = {}): Promise<GuardedNats> {
  const binary = await provisionNatsServer(() => {});
  const folder = await mkdtemp(join(tmpdir(), "muster-guarded-"));
  const usersFile = join(folder, "users.conf");
  if (users === undefined) await copyFile(join(FILES, "users.conf"), usersFile);
  else await writeFile(usersFile, users);
  await promisify(execFile)(process.execPath, [join(FILES, "make_secrets.mjs"), folder], {
    env: { ...process.env, NATS_USERS: usersFile },
  });
  const clients = join(folder, "clients");
  const ports = await Promise.all(Array.from({ length: servers * 3 }, findFreePort));
  const running: ServerProcess[] = [];
  const all: Ports[] = Array.from({ length: servers }, (_, index) => {
    const [client = 0, monitor = 0, route = 0] = ports.slice(index * 3);
    return { client, monitor, route };
  });
  const routes = JSON.stringify(all.map(({ route }) => `tls://127.0.0.1:${route}`));
  const logs = new Set<string>();
  async function startOne(own: Ports, index: number): Promise<void> {
    const dataDir = join(folder, `node-${index + 1}`);
    const etc = join(dataDir, "etc");
    await mkdir(dataDir, { recursive: true });
    await cp(join(folder, "server"), etc, { recursive: true });
    await copyFile(usersFile, join(etc, "users.conf"));
    await layOut(etc, dataDir, own);
    const logFile = join(dataDir, "nats-server.log");
    logs.add(logFile);
    const file = join(etc, servers === 1 ? "server.conf" : "cluster.conf");
    const env = { ...process.env, NATS_NAME: `nats-${index + 1}`, NATS_ROUTES: routes };
    const args = ["-c", file];
    running[index] = await startServerProcess({ command: binary, args, dataDir, logFile, stopSignal: "SIGTERM", env });
  }
  const url = all.map(({ client }) => `tls://127.0.0.1:${client}`).join(",");
  const nats: GuardedNats = {
    url,
    access: (user) => ({
      ...{ url, user, passwordFile: join(clients, `${user}.password`), caFile: join(clients, "ca.crt") },
      ...(user.startsWith("vo-") ? {} : { inboxPrefix: inboxPrefixOf(user) }),
    }),
    env: (user) => ({
      ...{ NATS_URL: url, NATS_USER: user, NATS_PASSWORD_FILE: join(clients, `${user}.password`) },
      ...{ NATS_CA: join(clients, "ca.crt"), NATS_INBOX_PREFIX: inboxPrefixOf(user) },
    }),
    secrets: async () => {
      const files = (await readdir(clients)).filter((name) => name.endsWith(".password"));
      return await Promise.all(files.map(async (name) => (await readFile(join(clients, name), "utf8")).trim()));
    },
    async restart() {
      for (const [index, own] of all.entries()) {
        await running[index]?.stop(STOP_GRACE_MS);
        await startOne(own, index);
        await until(() => areUp(nats.access("operator")), "all copies of all streams");
      }
    },
    log: async () => (await Promise.all([...logs].map((file) => readFile(file, "utf8")))).join(""),
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((each) => each.stop(STOP_GRACE_MS)));
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(all.map(startOne));
    await until(() => areUp(nats.access("operator")), "an answer of JetStream");
    return nats;
  } catch (cause) {
    const said = await nats.log();
    await nats[Symbol.asyncDispose]();
    throw new Error(`Cannot start servers with infra/nats: ${said.slice(-2_000)}`, { cause });
  }
}

/** Whether JetStream answers, and each stream has a leader and all its copies. */
async function areUp(access: NatsAccess): Promise<true | undefined> {
  try {
    const nc = await connectNats({ ...access, name: "test" });
    try {
      const jsm = await jetstreamManager(nc, { timeout: 1_000 });
      for await (const name of jsm.streams.names()) {
        const { cluster } = await jsm.streams.info(name);
        if (cluster !== undefined && !cluster.leader) return undefined;
      }
      return await areWhole(jsm);
    } finally {
      await nc.close();
    }
  } catch {
    return undefined; // not yet up, or no leader yet
  }
}
