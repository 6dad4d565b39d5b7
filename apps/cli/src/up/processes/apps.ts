import { findFreePort } from "@muster/local";
import { MyCheckPilotsTask, MyPilotReportTask, MyPilotTask, MySubmitPilotsTask } from "@muster/pilot-tasks";
import type { AnyTask } from "@muster/tasks";
import { extname, join } from "node:path";

/** An app that `muster up` runs in a process of its own. */
export interface PlannedApp {
  /** Name of the app and of its folder under `apps/`. */
  readonly name: string;
  /** Variables that only this app needs. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Name of the app that shows all in a browser. */
export const DASHBOARD = "dashboard";

/** Workers with the tasks that they alone run. The generic worker runs all other tasks. */
const OWN_WORKERS: Readonly<Record<string, readonly AnyTask[]>> = {
  "submit-worker": [MySubmitPilotsTask, MyPilotTask],
  "check-worker": [MyCheckPilotsTask],
  "report-worker": [MyPilotReportTask],
};

/**
 * Returns the apps for these tasks: the scheduler, each specific worker with at least one of them, the generic worker for the rest, and the
 * dashboard.
 */
export function planApps(tasks: readonly Pick<AnyTask, "name">[]): readonly PlannedApp[] {
  const known = new Set(tasks.map(({ name }) => name));
  const own = Object.entries(OWN_WORKERS).filter(([, those]) => those.every(({ name }) => known.has(name)));
  for (const { name } of own.flatMap(([, those]) => those)) known.delete(name);
  return [
    ...["scheduler", ...own.map(([name]) => name)].map((name) => ({ name, environment: {} })),
    ...(known.size === 0 ? [] : [{ name: "worker", environment: { MUSTER_TASKS: [...known].join(",") } }]),
    { name: DASHBOARD, environment: {} },
  ];
}

const APPS_FOLDER = join(import.meta.dirname, "..", "..", "..", "..");

/**
 * V8's memory flags, as in each app's `npm start`:
 * - The space for new objects, MB. V8's default is 16, which gives a busy worker a tenth more rate for about 30 MB more memory.
 * - No pretenuring. Otherwise V8 makes some new objects in the old space, where they are collected late.
 * - An early collection of the old space: as soon as it is half as large again as what the last one left.
 *
 * Without the last two a worker grows to between 170 and 250 MB instead of 140.
 */
const MEMORY_FLAGS = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--initial-old-space-size=32",
  "--heap-growing-percent=50",
];

/**
 * Returns the arguments with which Node.js runs the app. It runs the app's source if this program runs from source, otherwise its build.
 */
export function argumentsOf(app: string): string[] {
  return extname(import.meta.filename) === ".ts"
    ? [...MEMORY_FLAGS, join(APPS_FOLDER, app, "src", "main.ts")]
    : [...MEMORY_FLAGS, "--conditions=production", join(APPS_FOLDER, app, "dist", "main.js")];
}

/** Chooses the port for each app's health and metrics: in order from `firstPort`, or any free ports for 0. */
export async function choosePorts(
  firstPort: number,
  apps: readonly PlannedApp[],
): Promise<ReadonlyMap<PlannedApp, number>> {
  const ports = apps.map(async (app, index): Promise<[PlannedApp, number]> => {
    return [app, firstPort === 0 ? await findFreePort() : firstPort + index];
  });
  return new Map(await Promise.all(ports));
}
