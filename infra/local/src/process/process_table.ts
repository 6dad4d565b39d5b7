import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The operating system's data about one running process. */
export interface RunningProcess {
  readonly pid: number;
  readonly parentPid: number;
  /** The command line. Blanks separate its arguments. */
  readonly commandLine: string;
}

async function readProcFs(pid: number): Promise<RunningProcess | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
  // A zombie has ended, but its parent has not read its exit code yet.
  if (/^State:\s+Z/m.test(status)) return undefined;
  return { pid, parentPid: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0), commandLine };
}

async function askPs(pid: number): Promise<RunningProcess | undefined> {
  const { stdout } = await run("ps", ["-o", "ppid=,command=", "-p", String(pid)]);
  const [, parentPid, commandLine] = /^\s*(\d+)\s+(.*)$/m.exec(stdout) ?? [];
  if (parentPid === undefined || commandLine === undefined) return undefined;
  return { pid, parentPid: Number(parentPid), commandLine };
}

/** Returns the process with this id; undefined: none runs. */
export async function findProcess(pid: number): Promise<RunningProcess | undefined> {
  try {
    return process.platform === "linux" ? await readProcFs(pid) : await askPs(pid);
  } catch {
    // Both ways report an unused id as an error: a missing file, or exit code 1.
    return undefined;
  }
}

/** The ids of all processes on Linux. */
async function allPids(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Returns the ids of the processes that this one has started and that still run. */
export async function findChildren(pid: number): Promise<readonly number[]> {
  if (process.platform === "linux") {
    const all = await Promise.all((await allPids()).map(findProcess));
    return all.flatMap((found) => (found?.parentPid === pid ? [found.pid] : []));
  }
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid="]);
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
}

/** Returns the processes whose working folder is exactly this one. Only Linux shows it. Elsewhere the list is empty. */
export async function findWorkingIn(folder: string): Promise<readonly RunningProcess[]> {
  if (process.platform !== "linux") return [];
  const found = await Promise.all(
    (await allPids()).map(async (pid) => {
      // The process may have ended in the meantime, or belong to another user.
      const place = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
      return place === folder ? await findProcess(pid) : undefined;
    }),
  );
  return found.filter((each) => each !== undefined);
}

/** Sends a signal. A process that has ended is ignored. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
