import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { writeClaim } from "./claim.ts";
import { findChildren, signalProcess } from "./process_table.ts";

/** Signals that ask a server to end. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** How a process ended: `code` or `signal` is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The folder whose claim names the process. The command line must contain its path. */
  readonly dataDir: string;
  /** File to which the server's output is appended. */
  readonly logFile: string;
  readonly stopSignal: StopSignal;
  /** The user and group of the server; by default those of this process. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/** A server that this process has started. It ends with this process at the latest. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the process has ended, for any reason. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Sends the signal at once. A process that has ended is ignored. */
  kill(signal: NodeJS.Signals): void;
  /** Asks the server to end, and kills it after `graceMs`. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts a shell that sends `signal` to the server when our end of its standard input closes. The kernel closes it however this process
 * ends. A line on the shell's input ends the shell without a signal.
 */
function startGuard(serverPid: number, signal: StopSignal): { dismiss(): void } {
  // The server's processes get SIGCONT too, since a server waits for those that are frozen.
  const children = 'cat "/proc/$1/task/$1/children" 2>/dev/null';
  const script = `read -r _ || { kill -s "$2" "$1"; kill -s CONT "$1" $(${children}); }`;
  const guard = spawn("/bin/sh", ["-c", script, "muster-guard", String(serverPid), signal.slice("SIG".length)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Without a guard a server may live longer than this process. The claim on its folder then lets the next start stop it.
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

/** Kills a server and the processes that it has started. Frozen ones would not notice its end. */
async function killWithChildren(pid: number, server: ChildProcess): Promise<void> {
  const children = await findChildren(pid);
  server.kill("SIGKILL");
  for (const each of children) signalProcess(each, "SIGKILL");
}

/** Starts the server. Resolves when it runs, which is before it is ready. Throws when it cannot be executed. */
export async function startServerProcess(options: ServerCommand): Promise<ServerProcess> {
  const { command, args, dataDir, logFile, stopSignal, user, env } = options;
  const log = openSync(logFile, "a");
  const child = spawn(command, [...args], {
    // The server has its own process group, so Ctrl-C on the terminal reaches only us. We stop the server after its clients.
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
    // The server waits for the processes that it has started. These may be frozen as well.
    for (const each of await findChildren(pid)) signalProcess(each, "SIGCONT");
    await exited;
    overdue.abort();
    await kill;
  }
  return { pid, exited, kill: (signal) => void child.kill(signal), stop };
}
