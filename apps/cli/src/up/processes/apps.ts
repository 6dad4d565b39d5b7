import { findFreePort } from "@muster/local";
import { extname, join } from "node:path";

/** The apps that `muster up` runs, each in a process of its own. */
export const APP_NAMES = ["scheduler", "submit-worker", "check-worker", "report-worker"] as const;
export type AppName = (typeof APP_NAMES)[number];

const APPS_FOLDER = join(import.meta.dirname, "..", "..", "..", "..");

/**
 * As in each app's `npm start`. The space for new objects, MB: V8 lets it grow to 16 unless told otherwise, for a tenth of a busy worker's
 * rate. It is not to make objects old at birth where many before them had lived long, and it is to collect old ones once they are half as
 * much again as what was left: what lives for one task would else be collected late, and a worker grow to 170 to 250 MB in place of 140.
 */
const MEMORY_FLAGS = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--initial-old-space-size=32",
  "--heap-growing-percent=50",
];

/** The arguments with which Node.js runs the app: its source as we run from source, its build as we run from ours. */
export function argumentsOf(app: AppName): string[] {
  return extname(import.meta.filename) === ".ts"
    ? [...MEMORY_FLAGS, join(APPS_FOLDER, app, "src", "main.ts")]
    : [...MEMORY_FLAGS, "--conditions=production", join(APPS_FOLDER, app, "dist", "main.js")];
}

/** The port for each app's health and metrics: from `firstPort` on in their order, or any free ones for 0. */
export async function choosePorts(firstPort: number): Promise<ReadonlyMap<AppName, number>> {
  const ports = APP_NAMES.map(async (app, index): Promise<[AppName, number]> => {
    return [app, firstPort === 0 ? await findFreePort() : firstPort + index];
  });
  return new Map(await Promise.all(ports));
}
