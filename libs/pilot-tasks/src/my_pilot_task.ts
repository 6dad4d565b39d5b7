import { CeName } from "@muster/logic";
import { noRetry } from "@muster/tasks";
import * as z from "zod";
import { defineTask } from "./define_task.ts";
import { myPilotLock } from "./lock_types.ts";

/** Submits one pilot of one VO to one CE. A failed one is dropped: the next round finds the slot still free. */
export const MyPilotTask = defineTask({
  name: "MyPilotTask",
  per: "vo",
  payload: z.strictObject({ ceName: CeName }),
  priority: "normal",
  size: "small",
  retry: noRetry({ then: "drop" }),
  // One lock for one CE, also if a payload's name was not turned into lower case by the schema.
  locks: ({ ceName }) => [myPilotLock.mutex(ceName.toLowerCase())],
  execute: ({ deps, payload, vo, taskId }) => deps.submitPilot({ ...payload, vo, taskId }),
});
