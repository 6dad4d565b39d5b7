import { findFreePort } from "@muster/local";
import { extname, join } from "node:path";

/** The apps that `muster up` runs, each in a process of its own. */
export const APP_NAMES = ["scheduler", "submit-worker", "check-worker", "report-worker"] as const;
export type AppName = (typeof APP_NAMES)[number];

const APPS_FOLDER = join(import.meta.dirname, "..", "..", "..", "..");

/**
 * MB, as in each app's `npm start`: V8 lets the space for new objects grow to 16 unless told otherwise, and a busy worker to 170 MB in all
 * in place of 140, for a tenth of its rate.
 */
const SEMI_SPACE = "--max-semi-space-size=8";

/** The arguments with which Node.js runs the app: its source as we run from source, its build as we run from ours. */
export function argumentsOf(app: AppName): string[] {
  return extname(import.meta.filename) === ".ts"
    ? [SEMI_SPACE, join(APPS_FOLDER, app, "src", "main.ts")]
    : [SEMI_SPACE, "--conditions=production", join(APPS_FOLDER, app, "dist", "main.js")];
}

/** The port for each app's health and metrics: from `firstPort` on in their order, or any free ones for 0. */
export async function choosePorts(firstPort: number): Promise<ReadonlyMap<AppName, number>> {
  const ports = APP_NAMES.map(async (app, index): Promise<[AppName, number]> => {
    return [app, firstPort === 0 ? await findFreePort() : firstPort + index];
  });
  return new Map(await Promise.all(ports));
}
