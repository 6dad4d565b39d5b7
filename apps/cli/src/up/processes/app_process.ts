import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Running } from "./keep_running.ts";

export interface AppProcessOptions {
  /** Arguments of Node.js: its flags and the script. */
  readonly args: readonly string[];
  /** The whole environment of the process. */
  readonly env: NodeJS.ProcessEnv;
  /** Hears each line that the app writes. */
  onLine(line: string): void;
  /** Aborts when nobody wants to wait for running tasks any more. */
  readonly impatience: AbortSignal;
}

/** How long an app may let its tasks run on after it was told to stop, ms; told again, it ends them. */
const HASTEN_AFTER_MS = 2_000;
/** After so long in all it is killed, ms. What it leaves undone comes back to the next start. */
const KILL_AFTER_MS = 3_500;

async function stopChild(
  kill: (signal: NodeJS.Signals) => void,
  ended: Promise<unknown>,
  impatience: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const impatient = new Promise((resolve) => impatience.addEventListener("abort", resolve, { once: true }));
  const until = (ms: number) =>
    Promise.race([ended, impatience.aborted ? undefined : impatient, pause(ms, undefined, { signal: over.signal })]);
  async function insist(): Promise<void> {
    kill("SIGTERM");
    await until(HASTEN_AFTER_MS);
    kill("SIGTERM");
    await Promise.race([ended, pause(KILL_AFTER_MS - HASTEN_AFTER_MS, undefined, { signal: over.signal })]);
    kill("SIGKILL");
  }
  const insisting = insist().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  await ended;
  over.abort();
  await insisting;
}

/**
 * Starts an app. It learns by the channel between us when we are gone, and ends then too.
 *
 * Resolves as soon as it runs, which is before it is ready. Throws when Node.js cannot be executed.
 */
export async function startAppProcess({ args, env, onLine, impatience }: AppProcessOptions): Promise<Running> {
  const child = spawn(process.execPath, [...args], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...env, MUSTER_PARENT: String(process.pid) },
  });
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface(stream).on("line", onLine);
  }
  await new Promise<void>((started, failed) => {
    child.once("spawn", started);
    child.once("error", failed);
  });
  // An error later on is one of the channel's, which has closed with the process.
  child.on("error", (error) => onLine(error.message));
  return { ended, stop: () => stopChild((signal) => void child.kill(signal), ended, impatience) };
}
