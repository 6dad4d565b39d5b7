import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
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
