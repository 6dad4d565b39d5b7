import * as z from "zod";
import { parseSchedule } from "../calendar/schedule_text.ts";
import { textFor } from "./fields.ts";

/** What a task's schedules may have in the configuration, for all VOs or for one. */
export const scheduleFields = {
  enabled: z.boolean().describe("False: switched off, so no occurrence is published. Default: true.").optional(),
  schedule: textFor(parseSchedule)
    .meta({
      description: "In place of the definition's schedule.",
      examples: ["every 5s", "cron 0 6 * * * Europe/Zurich", "rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6 Europe/Zurich"],
    })
    .optional(),
};
