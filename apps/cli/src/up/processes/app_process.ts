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

interface StopContext {
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<unknown>;
  readonly impatience: AbortSignal;
}

/** Asks, asks again, kills; at the first sign of impatience it kills at once. */
async function stopChild({ kill, ended, impatience }: StopContext): Promise<void> {
  const over = new AbortController();
  void ended.then(() => over.abort());
  const waiting = AbortSignal.any([over.signal, impatience]);
  kill("SIGTERM");
  try {
    await pause(HASTEN_AFTER_MS, undefined, { signal: waiting });
    kill("SIGTERM");
    await pause(KILL_AFTER_MS - HASTEN_AFTER_MS, undefined, { signal: waiting });
  } catch (error) {
    if (!waiting.aborted) throw error;
  }
  kill("SIGKILL");
  await ended;
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
  return { ended, stop: () => stopChild({ kill: (signal) => void child.kill(signal), ended, impatience }) };
}
