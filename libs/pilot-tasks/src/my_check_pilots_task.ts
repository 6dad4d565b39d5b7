import { every, noRetry } from "@muster/tasks";
import { defineTask } from "./define_task.ts";

/** One status round over one VO's pilots: submitted ones start, running ones end. */
export const MyCheckPilotsTask = defineTask({
  name: "MyCheckPilotsTask",
  per: "vo",
  priority: "normal",
  size: "small",
  retry: noRetry({ then: "drop" }), // the next round is there before a retry would be
  schedule: every({ seconds: 30 }),
  execute: ({ deps, vo }) => deps.transitionPilotStates({ vo }),
});
