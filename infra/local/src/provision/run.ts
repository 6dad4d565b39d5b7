import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

export interface RunOptions {
  /** Time after which the command is killed, ms. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a command and returns its standard output. Throws with the last line of its error output. */
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

/** Returns the first executable file of this name on PATH. */
export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // not in this folder; the next one may have it
    }
  }
  return undefined;
}
