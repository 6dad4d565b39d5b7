import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { StepResult } from "./step.ts";
import { makeTapCounter } from "./tap.ts";

export interface AvaOptions {
  /** Variables that are added to the tests' environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of ava. */
  readonly args?: readonly string[];
  /** What is left out of each line that is shown. */
  readonly leaveOut?: RegExp;
  /** Called with each line of TAP as it arrives. By default the line is printed. */
  show?(line: string): void;
}

/**
 * Runs the ava suites of `root` and shows their TAP lines as they arrive.
 *
 * A skipped test counts as failed. So does a run that ends with an error without having named a test. A test that hangs is named, and the
 * others run.
 *
 * The many processes of a run share one cache of compiled code.
 */
export async function runAva(root: string, options: AvaOptions = {}): Promise<StepResult> {
  const { env = {}, args = [], leaveOut = /$^/, show = (line) => console.log(line) } = options;
  const child = spawn("ava", ["--tap", ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "node-compile"), ...env },
  });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`ava did not run: ${error.message}`));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ava ended with ${signal ?? code}`));
  });
  const tap = makeTapCounter();
  for await (const line of createInterface(child.stdout)) {
    tap.read(line);
    show(line.replace(leaveOut, ""));
  }
  const failure = await ended;
  const { passed, failed, skipped } = tap.counts();
  const unnamed = failure !== undefined && failed + skipped === 0 ? 1 : 0;
  const report = skipped > 0 ? `${skipped} tests were skipped; none may be` : (failure ?? "");
  return { name: "ava", passed, failed: failed + skipped + unnamed, report };
}
