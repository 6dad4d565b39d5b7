import type { NewPilotRequest } from "@muster/logic";
import { every, noRetry } from "@muster/tasks";
import { defineTask } from "./define_task.ts";
import { periodicLock } from "./lock_types.ts";
import { MyPilotTask } from "./my_pilot_task.ts";

/** Most pilots that one round asks for: their list is one row of the ledger. The next round asks for the rest. */
const MOST_PER_ROUND = 10_000;

/** Spawns one MyPilotTask for each free slot at each CE that its VO may use, and notes each as requested. */
export const MySubmitPilotsTask = defineTask({
  name: "MySubmitPilotsTask",
  per: "vo",
  priority: "normal",
  size: "small",
  retry: noRetry({ then: "drop" }), // the next round is there before a retry would be
  schedule: every({ seconds: 60 }),
  locks: (_payload, vo) => [periodicLock.mutex(`MySubmitPilotsTask.${vo}`)],
  async execute({ deps, vo, spawn }) {
    const requests: NewPilotRequest[] = [];
    for (const { name: ceName, availableSlots } of await deps.getAvailableCes({ vo })) {
      const wanted = Math.min(availableSlots, MOST_PER_ROUND - requests.length);
      for (let slot = 0; slot < wanted; slot++) {
        // A child's id follows from its parent's id and its content, so a parent that runs twice spawns each child
        // once.
        requests.push({ taskId: spawn(MyPilotTask, { ceName }), ceName, vo });
      }
    }
    await deps.requestPilots(requests);
    return { requested: requests.length };
  },
});
