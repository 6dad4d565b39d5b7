import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { mainFile } from "../support/built.ts";

const MAIN = mainFile("cli");

/** A `muster up` in a process of its own, on free ports. */
export interface UpProcess extends AsyncDisposable {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** All lines on standard output so far. */
  readonly lines: readonly string[];
  /** What it wrote to standard error so far. */
  errors(): string;
  /** Resolves once a line on standard output holds `text`; rejects when the process ends without it. */
  line(text: string): Promise<void>;
  /** Resolves once `holds`, asked at each new line, is true; rejects when the process ends without it. */
  until(holds: () => boolean): Promise<void>;
  /** Resolves with the exit code, or the signal, once all that the process wrote has been read. */
  readonly ended: Promise<number | string>;
}

/** Starts `muster up` on a data folder. */
export function startUp(dataDir: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): UpProcess {
  const ports = ["--nats-port", "0", "--postgres-port", "0", "--http-port", "0"];
  const child = spawn(process.execPath, [MAIN, "up", "--data-dir", dataDir, ...ports, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // All that it starts inherits the mark, by which the test finds what was left behind.
    env: { ...process.env, NATS_URL: "", DATABASE_URL: "", MUSTER_TEST_MARK: dataDir, ...env },
  });
  const lines: string[] = [];
  const news = new EventTarget();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  createInterface(child.stdout).on("line", (line) => {
    lines.push(line);
    news.dispatchEvent(new Event("news"));
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => {
      resolve(signal ?? code ?? "neither code nor signal");
      news.dispatchEvent(new Event("news"));
    });
  });

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`muster up ended before what the test waits for:\n${lines.join("\n")}\n${errors}`);
      }
      await new Promise((resolve) => news.addEventListener("news", resolve, { once: true }));
    }
  }
  async function line(text: string): Promise<void> {
    await until(() => lines.some((candidate) => candidate.includes(text)));
  }
  async function dispose(): Promise<void> {
    child.kill("SIGTERM");
    await ended;
  }
  return { child, lines, errors: () => errors, line, until, ended, [Symbol.asyncDispose]: dispose };
}

/** The processes whose command line or environment names the data folder, e.g. servers and apps that were left behind. Linux only. */
export async function processesOf(dataDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    try {
      const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
      const environment = await readFile(`/proc/${pid}/environ`, "utf8");
      if (Number(pid) !== process.pid && (commandLine + environment).includes(dataDir))
        found.push(`${pid} ${commandLine}`);
    } catch {
      // ended meanwhile, or somebody else's
    }
  }
  return found;
}

/** Resolves when no process of the data folder is left, and with those that are after `withinMs`. */
export async function untilNoneLeft(dataDir: string, withinMs: number): Promise<string[]> {
  const end = performance.now() + withinMs;
  while (true) {
    const left = await processesOf(dataDir);
    if (left.length === 0 || performance.now() > end) return left;
    await pause(50);
  }
}
