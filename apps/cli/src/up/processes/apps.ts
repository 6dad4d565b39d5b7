import { findFreePort } from "@muster/local";
import { MyCheckPilotsTask, MyPilotReportTask, MyPilotTask, MySubmitPilotsTask } from "@muster/pilot-tasks";
import type { AnyTask } from "@muster/tasks";
import { extname, join } from "node:path";

/** An app that `muster up` runs in a process of its own. */
export interface PlannedApp {
  /** Also that of its folder under `apps/`. */
  readonly name: string;
  /** What it needs in its environment beside what all need. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The workers that run certain tasks, with these tasks. The generic worker runs all others. */
const OWN_WORKERS: Readonly<Record<string, readonly AnyTask[]>> = {
  "submit-worker": [MySubmitPilotsTask, MyPilotTask],
  "check-worker": [MyCheckPilotsTask],
  "report-worker": [MyPilotReportTask],
};

/** The apps for these tasks: the scheduler, each worker of ours that has one of them, and the generic worker for the rest. */
export function planApps(tasks: readonly Pick<AnyTask, "name">[]): readonly PlannedApp[] {
  const known = new Set(tasks.map(({ name }) => name));
  const own = Object.entries(OWN_WORKERS).filter(([, those]) => those.every(({ name }) => known.has(name)));
  for (const { name } of own.flatMap(([, those]) => those)) known.delete(name);
  return [
    ...["scheduler", ...own.map(([name]) => name)].map((name) => ({ name, environment: {} })),
    ...(known.size === 0 ? [] : [{ name: "worker", environment: { MUSTER_TASKS: [...known].join(",") } }]),
  ];
}

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
export function argumentsOf(app: string): string[] {
  return extname(import.meta.filename) === ".ts"
    ? [...MEMORY_FLAGS, join(APPS_FOLDER, app, "src", "main.ts")]
    : [...MEMORY_FLAGS, "--conditions=production", join(APPS_FOLDER, app, "dist", "main.js")];
}

/** The port for each app's health and metrics: from `firstPort` on in their order, or any free ones for 0. */
export async function choosePorts(
  firstPort: number,
  apps: readonly PlannedApp[],
): Promise<ReadonlyMap<PlannedApp, number>> {
  const ports = apps.map(async (app, index): Promise<[PlannedApp, number]> => {
    return [app, firstPort === 0 ? await findFreePort() : firstPort + index];
  });
  return new Map(await Promise.all(ports));
}
