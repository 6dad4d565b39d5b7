import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Running } from "./keep_running.ts";

export interface AppProcessOptions {
  /** Arguments of Node.js: its flags and the script. */
  readonly args: readonly string[];
  /** The whole environment of the process. */
  readonly env: NodeJS.ProcessEnv;
  /** Called for each line that the app writes. */
  onLine(line: string): void;
  /** Aborts when running tasks are no longer waited for. */
  readonly impatience: AbortSignal;
}

/** Time from the first request to end until the second, ms. The app lets its tasks run on after the first, and ends them at the second. */
const HASTEN_AFTER_MS = 2_000;
/** Time from the first request to end until the kill, ms. Unfinished work comes back at the next start. */
const KILL_AFTER_MS = 3_500;

interface StopContext {
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<unknown>;
  readonly impatience: AbortSignal;
}

/** Asks the app to end, asks again, then kills it. When `impatience` aborts, it kills the app at once. */
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
 * Starts an app. The channel between the two processes closes when this one ends, and the app then ends too.
 *
 * Resolves when the process runs, which is before the app is ready. Throws when Node.js cannot be executed.
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
  // A later error is about the channel, which has closed with the process.
  child.on("error", (error) => onLine(error.message));
  return { ended, stop: () => stopChild({ kill: (signal) => void child.kill(signal), ended, impatience }) };
}
