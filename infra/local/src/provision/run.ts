import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

export interface RunOptions {
  /** The command is killed after so many ms. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command, too. */
  readonly signal?: AbortSignal | undefined;
}

/** What the command wrote to its standard output. Throws with the last line of what it complained about. */
export async function run(
  command: string,
  args: readonly string[],
  { timeoutMs, cwd, env, signal }: RunOptions,
): Promise<string> {
  try {
    const { stdout } = await execute(command, [...args], {
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal === undefined ? {} : { signal }),
      env: { ...process.env, ...env },
    });
    return stdout;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(`${command} ${args[0] ?? ""} failed: ${complaint(cause)}`, { cause });
  }
}

function complaint(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if ("killed" in cause && cause.killed === true) return "it took too long";
  const stderr = "stderr" in cause ? String(cause.stderr).trim() : "";
  return stderr.split("\n").at(-1) || cause.message;
}

/** The first file of this name on PATH that may be executed. */
export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // not here; the next folder may have it
    }
  }
  return undefined;
}
