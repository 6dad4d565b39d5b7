import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { BENCH, ROOT } from "./places.ts";

const execute = promisify(execFile);

/**
 * Builds Muster's side of the bench as for production. The source would run as well, but Node.js then loads a compiler of about 30 MB into
 * each process.
 *
 * Needs turbo, tsc and pnpm on PATH.
 */
export async function buildWorker(): Promise<void> {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1" };
  const filters = ["@muster/tasks", "@muster/service"].map((name) => `--filter=${name}`);
  await execute("turbo", ["run", "build", "--output-logs=errors-only", "--no-update-notifier", ...filters], {
    cwd: ROOT,
    env,
  });
  await execute("tsc", ["-p", join(BENCH, "tsconfig.json")], { cwd: ROOT });
}
