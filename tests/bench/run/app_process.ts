// Tested by tests/bench/rows/light_test.ts
import { BUNDLE } from "@muster/bundle";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { APP_FLAGS } from "./contenders.ts";

/** What each app writes once it does its work. */
const READY = /"msg":"(?:ready for tasks|ready to schedule|the dashboard is served)"/;

/** An app of ours as it runs in production: from the bundle. */
export interface AppProcess extends AsyncDisposable {
  readonly pid: number;
  /** Time from its start until it was ready, ms. */
  readonly readyMs: number;
}

/** Starts an app, and resolves when it is ready. Throws where it ends before. */
export async function startAppProcess(app: string, env: NodeJS.ProcessEnv): Promise<AppProcess> {
  const startedAtMs = performance.now();
  const main = join(BUNDLE, "apps", app, "dist", "main.js");
  const child = spawn(process.execPath, [...APP_FLAGS, "--conditions=production", main], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, HTTP_PORT: "0", MUSTER_DASHBOARD_PORT: "0", MUSTER_DRAIN_SECONDS: "2", ...env },
  });
  const exited = once(child, "exit");
  const ready = new Promise<number>((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      if (READY.test(line)) resolve(performance.now() - startedAtMs);
    });
  });
  const failed = exited.then(([code, signal]) => {
    throw new Error(`Cannot measure ${app}: it ended with ${signal ?? code}`);
  });
  failed.catch(() => undefined); // after the measurement it may end
  const readyMs = await Promise.race([ready, failed]);
  return {
    pid: child.pid ?? 0,
    readyMs,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
