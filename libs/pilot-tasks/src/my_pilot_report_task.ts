import { cron, exponentialBackoff } from "@muster/tasks";
import { defineTask } from "./define_task.ts";

/** Logs and returns how many pilots have each status, over all VOs. */
export const MyPilotReportTask = defineTask({
  name: "MyPilotReportTask",
  priority: "normal",
  size: "small",
  retry: exponentialBackoff({ maxRetries: 3 }),
  schedule: cron("0 * * * *"),
  async execute({ deps }) {
    const summary = await deps.getPilotSummary();
    deps.log("Pilots by status", summary);
    return summary;
  },
});
