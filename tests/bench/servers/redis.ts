import { findFreePort, openPrivateApt } from "@muster/local";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, glob, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { KEPT } from "./places.ts";

const execute = promisify(execFile);
const READY_WITHIN_MS = 10_000;

/** A Redis to run: its program, and the folder of the libraries that this machine does not have. */
interface RedisProgram {
  readonly path: string;
  readonly libraries: string;
}

/** What Redis keeps on the disk: `lazy` nothing, `synced` each write before its answer. */
export type RedisDurability = "lazy" | "synced";

/** A running redis-server on loopback. It ends with this process at the latest. */
export interface Redis extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly version: string;
}

async function releaseName(): Promise<string> {
  const name = /^VERSION_CODENAME=(\w+)/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  if (name === undefined) throw new Error("this machine's Debian does not tell its release");
  return name;
}

/** Unpacks Redis from this machine's own release of Debian, unless an earlier run has done so. */
async function unpackRedis(progress: (line: string) => void): Promise<string> {
  const root = join(KEPT, "redis");
  const isThere = await access(root).then(
    () => true,
    () => false,
  );
  if (isThere) return root;
  await mkdir(KEPT, { recursive: true });
  const scratch = await mkdtemp(join(KEPT, "tmp-"));
  try {
    const apt = await openPrivateApt({
      folder: scratch,
      suite: await releaseName(),
      progress: (mirror) =>
        progress(`redis-server: taking it from Debian at ${mirror}, which changes nothing on this machine`),
    });
    await rename(await apt.unpackWithNeeds(["redis-server"]), root);
    return root;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function provisionRedis(progress: (line: string) => void): Promise<RedisProgram> {
  const installed = await execute("redis-server", ["--version"]).then(
    () => true,
    () => false,
  );
  if (installed) return { path: "redis-server", libraries: "" };
  const root = await unpackRedis(progress);
  const folders = new Set<string>();
  for await (const library of glob("usr/lib/**/*.so*", { cwd: root })) folders.add(dirname(join(root, library)));
  return { path: join(root, "usr/bin/redis-server"), libraries: [...folders].join(":") };
}

const DURABILITY: Readonly<Record<RedisDurability, readonly string[]>> = {
  lazy: ["--save", "", "--appendonly", "no"],
  synced: ["--save", "", "--appendonly", "yes", "--appendfsync", "always"],
};

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // not ready yet
  } finally {
    socket.destroy();
  }
}

/** Starts Redis on `dataDir`. Throws the reason in one line where there is none. */
export async function startRedis(
  dataDir: string,
  durability: RedisDurability,
  progress: (line: string) => void,
): Promise<Redis> {
  const { path, libraries } = await provisionRedis(progress);
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: [libraries, process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":"),
  };
  const { stdout } = await execute(path, ["--version"], { env });
  const [host, port] = ["127.0.0.1", await findFreePort()];
  await mkdir(dataDir, { recursive: true });
  const args = ["--bind", host, "--port", String(port), "--dir", dataDir, "--maxmemory-policy", "noeviction"];
  // The shell ends Redis when its input closes. The kernel closes it however this process ends.
  const script = '"$@" & server=$!; read -r _; kill "$server"; wait "$server"';
  const guard = spawn("/bin/sh", ["-c", script, "redis", path, ...args, ...DURABILITY[durability]], {
    stdio: ["pipe", "ignore", 2],
    env,
  });
  const exited = once(guard, "exit");
  async function stop(): Promise<void> {
    guard.stdin?.end("\n");
    await exited;
  }
  for (const until = performance.now() + READY_WITHIN_MS; !(await answers(host, port)); await pause(20)) {
    if (performance.now() > until) {
      await stop();
      throw new Error(`Redis was not ready after ${READY_WITHIN_MS / 1_000} s`);
    }
  }
  return { host, port, version: /v=(\S+)/.exec(stdout)?.[1] ?? "unknown", [Symbol.asyncDispose]: stop };
}
