import { taskFactory } from "@muster/tasks";
import type { PilotDeps } from "./pilot_deps.ts";

/** Defines a task over {@linkcode PilotDeps}. */
export const defineTask = taskFactory<PilotDeps>();
