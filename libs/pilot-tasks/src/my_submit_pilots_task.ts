import type { NewPilotRequest } from "@muster/logic";
import { every, noRetry } from "@muster/tasks";
import * as z from "zod";
import { CeRegex, matchingCes } from "./ce_regex.ts";
import { defineTask } from "./define_task.ts";
import { MyPilotTask } from "./my_pilot_task.ts";

/** Most pilots that one round asks for: their list is one row of the ledger. The next round asks for the rest. */
const MOST_PER_ROUND = 10_000;

/**
 * Spawns one MyPilotTask for each free slot at each CE that its VO may use, and notes each as requested. With a `ceRegex` only CEs count whose
 * whole name matches it. Named instances may so submit to some CEs in a rhythm of their own.
 */
export const MySubmitPilotsTask = defineTask({
  name: "MySubmitPilotsTask",
  per: "vo",
  payload: z.strictObject({ ceRegex: CeRegex.optional() }),
  priority: "normal",
  size: "small",
  retry: noRetry({ then: "drop" }), // the next round is there before a retry would be
  schedule: every({ seconds: 60 }),
  async execute({ deps, payload: { ceRegex }, vo, spawn }) {
    const requests: NewPilotRequest[] = [];
    const available = await deps.getAvailableCes({ vo });
    const names = available.map(({ name }) => name);
    const chosen = ceRegex === undefined ? new Set(names) : matchingCes(names, ceRegex);
    for (const { name: ceName, availableSlots } of available.filter(({ name }) => chosen.has(name))) {
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
