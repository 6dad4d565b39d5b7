import * as z from "zod";
import { sizeProblem } from "../definition/payload.ts";
import { MOST_INSTANCE_BYTES, MOST_INSTANCES } from "../definition/recurrence.ts";
import { checkInstanceName, checkVoName } from "../format/names.ts";
import { fields, textFor } from "./fields.ts";
import { scheduleFields } from "./schedule_settings.ts";

/** Typed without its parts: the document's type would never end. It is JSON, since it was read from it. */
const payload: z.ZodType<Record<string, unknown>> = z
  .record(z.string(), z.json() as z.ZodType<unknown>)
  .superRefine((value, context) => {
    const bytes = Buffer.byteLength(JSON.stringify(value));
    const problem =
      bytes > MOST_INSTANCE_BYTES
        ? `it has ${bytes} bytes of JSON; ${MOST_INSTANCE_BYTES} are the limit`
        : sizeProblem(value);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

/** Named schedules of one task. What is left out is as the definition says of the instance of this name. */
export const instanceFields = {
  instances: z
    .record(
      textFor(checkInstanceName).describe("The instance's name; `default` is that of the task's own schedule."),
      fields({
        ...scheduleFields,
        schedule: scheduleFields.schedule.describe(
          "When it is due. An instance that the definition does not have needs it.",
        ),
        payload: payload
          .optional()
          .describe("What its occurrences carry; the task's schema must accept it. Default: the definition's, or {}."),
        payloadVersion: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe(
            "The version of the task's payload for which `payload` was written; the task migrates it. Default: the present one.",
          ),
        vos: z
          .array(textFor(checkVoName))
          .max(1_000)
          .describe("The VOs that have it, where the task is per VO. Default: the definition's, or all.")
          .optional(),
      }),
    )
    .refine(
      (all) => Object.keys(all).length <= MOST_INSTANCES,
      `it has too many instances; ${MOST_INSTANCES} are the limit`,
    )
    .describe("Named schedules of the task, each with a payload of its own.")
    .optional(),
};
