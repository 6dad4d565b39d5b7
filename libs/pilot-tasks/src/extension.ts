import { defineExtension } from "@muster/app";
import { pilotTables } from "@muster/logic";
import { myPilotLock, periodicLock } from "./lock_types.ts";
import { forgetLostRequests } from "./lost_requests.ts";
import { pilotDeps } from "./pilot_deps.ts";
import { pilotTasks } from "./pilot_tasks.ts";

/** A lost request is noticed within a minute after its ten, ms. */
const REQUESTS_MS = 60_000;

/** Everything that the pilots bring to an app: the first extension. */
export const extension = defineExtension({
  name: "pilots",
  tasks: pilotTasks,
  lockTypes: [myPilotLock, periodicLock],
  deps: pilotDeps,
  tables: [pilotTables],
  chores: (context) => [
    {
      name: "forgetting lost requests",
      everyMs: REQUESTS_MS,
      run: (signal) => forgetLostRequests(context, signal),
    },
  ],
});
