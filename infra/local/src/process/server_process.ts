import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { writeClaim } from "./claim.ts";
import { findChildren, signalProcess } from "./process_table.ts";

/** How a server may be asked to end. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** How a process ended: `code` or `signal` is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The folder whose claim names the process; the command line must contain its path. */
  readonly dataDir: string;
  /** Takes what the server writes to its output, after what is there already. */
  readonly logFile: string;
  readonly stopSignal: StopSignal;
  /** The user and group to run as; ours by default. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/** A server that this process started and that ends with it at the latest. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason; never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends the signal at once; nothing happens when the process has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Asks the server to end, and kills it when it has not after `graceMs`. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts a shell that sends `signal` to the server once our end of its standard input closes, which the kernel sees to however we
 * die. Any line on its input dismisses it.
 */
function startGuard(serverPid: number, signal: StopSignal): { dismiss(): void } {
  // Its own processes go on too: a server waits for those that are frozen.
  const children = 'cat "/proc/$1/task/$1/children" 2>/dev/null';
  const script = `read -r _ || { kill -s "$2" "$1"; kill -s CONT "$1" $(${children}); }`;
  const guard = spawn("/bin/sh", ["-c", script, "muster-guard", String(serverPid), signal.slice("SIG".length)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Without a guard a server may outlive us, and the claim on its folder lets the next start stop it.
  guard.on("error", () => undefined);
  guard.stdin.on("error", () => undefined);
  guard.unref();
  return { dismiss: () => guard.stdin.end("\n") };
}

async function spawned(child: ChildProcess, command: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`Cannot start ${command}: ${cause.message}`, { cause })));
  });
  if (child.pid === undefined) throw new Error(`Cannot start ${command}: the system gave it no process id`);
  return child.pid;
}

/** Kills a server and the processes that it has started: frozen ones would not notice that it is gone. */
async function killWithChildren(pid: number, server: ChildProcess): Promise<void> {
  const children = await findChildren(pid);
  server.kill("SIGKILL");
  for (const each of children) signalProcess(each, "SIGKILL");
}

/** Starts the server. Resolves as soon as it runs, which is before it is ready. Throws when it cannot be executed. */
export async function startServerProcess(options: ServerCommand): Promise<ServerProcess> {
  const { command, args, dataDir, logFile, stopSignal, user, env } = options;
  const log = openSync(logFile, "a");
  const child = spawn(command, [...args], {
    // A process group of its own: Ctrl-C on the terminal is for us, and we stop the server when its clients have gone.
    detached: true,
    stdio: ["ignore", log, log],
    ...user,
    ...(env === undefined ? {} : { env }),
  });
  closeSync(log);
  const ended = Promise.withResolvers<Exit>();
  child.once("exit", (code, signal) => ended.resolve({ code, signal }));
  const pid = await spawned(child, command);
  writeClaim(dataDir, pid);
  const guard = startGuard(pid, stopSignal);
  const exited = ended.promise.finally(guard.dismiss);

  async function stop(graceMs: number): Promise<void> {
    child.kill(stopSignal);
    child.kill("SIGCONT"); // a frozen server could not end
    const overdue = new AbortController();
    const kill = pause(graceMs, undefined, { signal: overdue.signal }).then(
      () => killWithChildren(pid, child),
      () => undefined, // it ended in time
    );
    // It waits for the processes that it has started, which may be frozen as well.
    for (const each of await findChildren(pid)) signalProcess(each, "SIGCONT");
    await exited;
    overdue.abort();
    await kill;
  }
  return { pid, exited, kill: (signal) => void child.kill(signal), stop };
}
