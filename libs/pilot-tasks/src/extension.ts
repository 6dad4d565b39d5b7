import { defineExtension } from "@muster/app";
import { pilotTables } from "@muster/logic";
import { myPilotLock } from "./lock_types.ts";
import { forgetLostRequests } from "./lost_requests.ts";
import { pilotDeps } from "./pilot_deps.ts";
import { pilotFigures } from "./pilot_figures.ts";
import { pilotTasks } from "./pilot_tasks.ts";
import { pruneHistory } from "./prune_history.ts";

/** Time between two looks for lost requests, ms. A request counts as lost after ten minutes at the earliest. */
const REQUESTS_MS = 60_000;
/** Time between two prunings of ended pilots, ms. */
const PRUNED_MS = 3_600_000;

/** All that the pilots bring to an app. It is the first extension. */
export const extension = defineExtension({
  name: "pilots",
  tasks: pilotTasks,
  lockTypes: [myPilotLock],
  deps: pilotDeps,
  tables: [pilotTables],
  figures: (context) => [pilotFigures(context)],
  chores: (context) => [
    {
      name: "forgetting lost requests",
      everyMs: REQUESTS_MS,
      run: (signal) => forgetLostRequests(context, signal),
    },
    { name: "pruning ended pilots", everyMs: PRUNED_MS, run: (signal) => pruneHistory(context, signal) },
  ],
});
