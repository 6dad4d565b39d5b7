import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { bundledLibraries } from "./built.ts";
import { within } from "./until.ts";

/** How a process ended: `code` or `signal` is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of a test. It is killed when it is disposed of, and its IPC channel closes with ours. So it ends with the test. */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  /** The lines that it has written to its standard output. */
  readonly lines: readonly string[];
  readonly exited: Promise<Exit>;
  /** Resolves with the first line that matches. Earlier lines count too. */
  line(pattern: RegExp, ms?: number): Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

/** Longest wait for what a process says or does soon after its start, ms. A start takes a second of CPU, which a busy machine may stretch. */
export const START_WITHIN_MS = 150_000;

function follow(child: ChildProcess) {
  const lines: string[] = [];
  const wanted = new Set<{ pattern: RegExp; resolve(line: string): void }>();
  if (child.stdout !== null) {
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line);
      for (const want of [...wanted]) {
        if (!want.pattern.test(line)) continue;
        wanted.delete(want);
        want.resolve(line);
      }
    });
  }
  function line(pattern: RegExp, ms = START_WITHIN_MS): Promise<string> {
    const told = lines.find((each) => pattern.test(each));
    if (told !== undefined) return Promise.resolve(told);
    const coming = new Promise<string>((resolve) => wanted.add({ pattern, resolve }));
    return within(coming, () => `a line like ${pattern} (last: ${lines.slice(-5).join("\n")})`, ms);
  }
  return { lines, line };
}

/** Starts a program whose libraries are the bundle's where there is one; see {@linkcode bundledLibraries}. */
export function startBundled(file: URL, env: Readonly<Record<string, string>>): Promise<TestProcess> {
  return startProcess(file, env, bundledLibraries());
}

/** Starts `file` with Node.js. `env` is added to our environment. Its standard error is ours. */
export async function startProcess(
  file: URL,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<TestProcess> {
  const child = spawn(process.execPath, [...args, file.pathname], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const exited = once(child, "exit").then(([code, signal]): Exit => ({ code, signal }));
  await once(child, "spawn");
  const kill = (signal: NodeJS.Signals) => void child.kill(signal);
  return {
    pid: child.pid ?? Number.NaN,
    exited,
    kill,
    ...follow(child),
    async [Symbol.asyncDispose]() {
      kill("SIGKILL"); // a stopped process dies of it too
      await exited;
    },
  };
}
