import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { NatsAccess } from "../access/nats_access.ts";
import { until } from "./patience.ts";

/** A nats-server of a test. Disposing of it stops it. */
export interface TestNats extends NatsAccess, AsyncDisposable {}

/** How long it may take to end in order before it is killed, ms. */
const STOP_GRACE_MS = 3_000;
/** How much of the end of its log an error shows, characters. */
const LOG_END = 2_000;
/**
 * Stops the server and removes its folder once our end of its standard input closes, which the kernel sees to however this process ends. A
 * line dismisses it. A server that was stopped but that nobody buries is waited for 5 s.
 */
const GUARD =
  'read -r _ && exit; kill "$1"; n=50; while [ $n -gt 0 ] && kill -0 "$1" 2>/dev/null; do n=$((n-1)); sleep 0.1; done; rm -rf "$2"';

async function urlIn(file: string): Promise<string | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")).nats[0];
  } catch {
    return undefined; // not written yet, or not to the end
  }
}

interface Program {
  readonly pid: number;
  /** Resolves when it has ended, with the end of its log. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Starts the program over `folder`. Resolves as soon as it runs, which is before it is ready. */
async function startProgram(program: string, folder: string): Promise<Program> {
  const where = ["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", folder];
  const args = ["--jetstream", "--store_dir", folder, ...where];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-LOG_END);
  });
  const ended = new Promise<string>((resolve) => child.once("close", () => resolve(log)));
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      const what = "put nats-server on the PATH, set NATS_SERVER to its path, or give startTestSystem another nats";
      reject(new Error(`Cannot start ${program}: ${cause.message}; ${what}`, { cause }));
    });
  });
  if (child.pid === undefined) throw new Error(`Cannot start ${program}: the system gave it no process id`);
  const guard = spawn("/bin/sh", ["-c", GUARD, "muster-guard", String(child.pid), folder], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.on("error", () => undefined); // without a guard the server may outlive a killed test
  guard.stdin.on("error", () => undefined);
  guard.unref();
  return {
    pid: child.pid,
    ended,
    async stop() {
      guard.stdin.end("\n");
      child.kill("SIGTERM");
      const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
      await ended;
      clearTimeout(overdue);
    },
  };
}

/**
 * Starts a nats-server with JetStream on 127.0.0.1 and a port of its own, in a folder that goes with it. It ends with this process at the latest.
 *
 * `program` is by default what `NATS_SERVER` names, else `nats-server` on the PATH. Throws with the end of its log where it does not start.
 */
export async function startTestNats(program = process.env["NATS_SERVER"] || "nats-server"): Promise<TestNats> {
  await using started = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "muster-test-nats-"));
  started.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startProgram(program, folder);
  started.defer(() => server.stop());
  const portsFile = join(folder, `${basename(program)}_${server.pid}.ports`);
  const died = server.ended.then((log) => {
    throw new Error(`Cannot start ${program}: it ended at once; its log says:\n${log}`);
  });
  const url = await Promise.race([until(() => urlIn(portsFile), "the port of nats-server"), died]);
  died.catch(() => undefined); // from now on it may end
  const kept = started.move();
  return { url, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
