// Tested by tests/bench/rows/light_test.ts
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** The shell's own report of what its children have used: minutes and seconds in user mode, then in the kernel's. */
const TIMES = /(\d+)m([\d.]+)s\s+(\d+)m([\d.]+)s\s*$/;

/** Runs a command in `cwd`. Returns the CPU time of all its processes, ms, whether it succeeds or not. */
export async function commandCpuMs(
  command: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<number> {
  const child = spawn("/bin/sh", ["-c", '"$@" >/dev/null 2>&1; times', "sh", ...command], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const printed = await text(child.stdout);
  const found = TIMES.exec(printed.trim());
  if (found === null) throw new Error(`Cannot measure ${command.join(" ")}: the shell said ${JSON.stringify(printed)}`);
  const [userMinutes = 0, userSeconds = 0, systemMinutes = 0, systemSeconds = 0] = found.slice(1).map(Number);
  return ((userMinutes + systemMinutes) * 60 + userSeconds + systemSeconds) * 1_000;
}
