import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** The result of one step of `npm test`. */
export interface StepResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** The text that a reader needs to repair a failure; empty: there is no failure. */
  readonly report: string;
}

/** The command of a step. */
export interface StepCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Variables that are added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command. It passes when its exit code is 0. Its output is reported only when it fails. */
export async function runCommandStep(root: string, { name, command, args, env }: StepCommand): Promise<StepResult> {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `it ended with ${signal ?? code}`));
  });
  const [failure, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (failure === undefined) return { name, passed: 1, failed: 0, report: "" };
  return {
    name,
    passed: 0,
    failed: 1,
    report: `${command} ${args.join(" ")}: ${failure}\n${stdout}${stderr}`.trimEnd(),
  };
}

/** Runs a function. It passes when it does not throw. */
export async function runStep(name: string, step: () => Promise<void>): Promise<StepResult> {
  try {
    await step();
    return { name, passed: 1, failed: 0, report: "" };
  } catch (error) {
    return { name, passed: 0, failed: 1, report: error instanceof Error ? error.message : String(error) };
  }
}
