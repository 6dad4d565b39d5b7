import { pilotTables, type TableSet } from "@muster/logic";
import type { LockType } from "@muster/tasks";
import { myPilotLock, periodicLock } from "./lock_types.ts";
import { pilotDeps } from "./pilot_deps.ts";
import { pilotTasks } from "./pilot_tasks.ts";

/** What {@linkcode pilots} holds. */
export interface PilotExtension {
  readonly name: "pilots";
  readonly tasks: typeof pilotTasks;
  readonly lockTypes: readonly LockType[];
  readonly deps: typeof pilotDeps;
  readonly tables: readonly TableSet[];
}

/** Everything that the pilots bring to an app: the first extension. */
export const pilots: PilotExtension = {
  name: "pilots",
  tasks: pilotTasks,
  lockTypes: [myPilotLock, periodicLock],
  deps: pilotDeps,
  tables: [pilotTables],
};
