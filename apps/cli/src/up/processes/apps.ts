import { findFreePort } from "@muster/local";
import { extname, join } from "node:path";

/** The apps that `muster up` runs, each in a process of its own. */
export const APP_NAMES = ["scheduler", "submit-worker", "check-worker", "report-worker"] as const;
export type AppName = (typeof APP_NAMES)[number];

const APPS_FOLDER = join(import.meta.dirname, "..", "..", "..", "..");

/** The arguments with which Node.js runs the app: its source as we run from source, its build as we run from ours. */
export function argumentsOf(app: AppName): string[] {
  return extname(import.meta.filename) === ".ts"
    ? [join(APPS_FOLDER, app, "src", "main.ts")]
    : ["--conditions=production", join(APPS_FOLDER, app, "dist", "main.js")];
}

/** The port for each app's health and metrics: from `firstPort` on in their order, or any free ones for 0. */
export async function choosePorts(firstPort: number): Promise<ReadonlyMap<AppName, number>> {
  const ports = APP_NAMES.map(async (app, index): Promise<[AppName, number]> => {
    return [app, firstPort === 0 ? await findFreePort() : firstPort + index];
  });
  return new Map(await Promise.all(ports));
}
