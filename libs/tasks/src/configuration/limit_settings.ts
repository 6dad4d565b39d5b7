import * as z from "zod";
import { checkConcurrency, InvalidLimitError, parseRate, UNLIMITED } from "../definition/limit_text.ts";
import { LOCK_TYPE_NAME } from "../definition/lock_type.ts";
import { fields } from "./fields.ts";

/** The schema of a value that `check` accepts. `check` throws `InvalidLimitError` where it does not. */
function limitFor<Value extends string | number>(schema: z.ZodType<Value, Value>, check: (value: Value) => unknown) {
  return schema.superRefine((value, context) => {
    try {
      check(value);
    } catch (error) {
      if (!(error instanceof InvalidLimitError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  });
}

const rate = limitFor(z.string(), parseRate).meta({
  description: `Most tasks that begin within any such time: <count>/<time>, or ${UNLIMITED}.`,
  pattern: "^(unlimited|[0-9]{1,7}/[0-9]*(d|h|m|s|ms))$",
  examples: ["50/1s", "100/1m", UNLIMITED],
});

const concurrency = z
  .union([limitFor(z.number(), checkConcurrency), z.literal(UNLIMITED)], {
    error: `it is no limit; write a whole number from 1 to 1,000, or ${UNLIMITED}`,
  })
  .meta({
    description: `Most tasks that run at the same time: 1 to 1,000, or ${UNLIMITED}.`,
    examples: [5, UNLIMITED],
  });

/**
 * Limits of a task, or of a task's VO. They are limiters of their own. So a task that has one for all VOs and one for its VO passes both, and
 * those that its definition names.
 */
export const limitFields = { rate: rate.optional(), concurrency: concurrency.optional() };

const LimitName = z
  .string()
  .refine(
    (name) => LOCK_TYPE_NAME.test(name.split(".", 1)[0] ?? "") && !name.endsWith("."),
    "it names no limiter; write <lock type> or <lock type>.<key>",
  )
  .refine(
    (name) => !/[*>]/.test(name),
    "it is no pattern; <lock type> alone limits all keys that have no limit of their own",
  );

/** The limits of limiters that definitions name. */
export const limitSettings = {
  limits: z
    .record(LimitName, fields(limitFields))
    .describe(
      "Limits by name, in place of those that the definitions state: <lock type>.<key>, or <lock type> for all keys of it that have no limit of their own.",
    )
    .optional(),
};
