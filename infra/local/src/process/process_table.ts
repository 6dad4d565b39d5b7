import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the operating system says about one running process. */
export interface RunningProcess {
  readonly pid: number;
  readonly parentPid: number;
  /** The command line, its arguments separated by blanks. */
  readonly commandLine: string;
}

async function readProcFs(pid: number): Promise<RunningProcess | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
  // A zombie has ended; only its parent has not asked for its exit code yet.
  if (/^State:\s+Z/m.test(status)) return undefined;
  return { pid, parentPid: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0), commandLine };
}

async function askPs(pid: number): Promise<RunningProcess | undefined> {
  const { stdout } = await run("ps", ["-o", "ppid=,command=", "-p", String(pid)]);
  const [, parentPid, commandLine] = /^\s*(\d+)\s+(.*)$/m.exec(stdout) ?? [];
  if (parentPid === undefined || commandLine === undefined) return undefined;
  return { pid, parentPid: Number(parentPid), commandLine };
}

/** The process with this id, or undefined when none runs. */
export async function findProcess(pid: number): Promise<RunningProcess | undefined> {
  try {
    return process.platform === "linux" ? await readProcFs(pid) : await askPs(pid);
  } catch {
    // Both ways answer an id that nobody has with an error: a missing file, or exit code 1.
    return undefined;
  }
}

/** The ids of all processes on Linux. */
async function allPids(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The ids of the processes that this one has started and that still run. */
export async function findChildren(pid: number): Promise<readonly number[]> {
  if (process.platform === "linux") {
    const all = await Promise.all((await allPids()).map(findProcess));
    return all.flatMap((found) => (found?.parentPid === pid ? [found.pid] : []));
  }
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid="]);
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
}

/** The processes that work in this very folder. Linux tells it; elsewhere none is found. */
export async function findWorkingIn(folder: string): Promise<readonly RunningProcess[]> {
  if (process.platform !== "linux") return [];
  const found = await Promise.all(
    (await allPids()).map(async (pid) => {
      // It may have ended meanwhile, or be somebody else's.
      const place = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
      return place === folder ? await findProcess(pid) : undefined;
    }),
  );
  return found.filter((each) => each !== undefined);
}

/** Sends a signal; nothing happens when the process has ended. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
