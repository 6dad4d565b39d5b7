import * as z from "zod";
import { parseLengthMs } from "../calendar/length_text.ts";
import { type BackoffOptions, exponentialBackoff, type RetryPolicy } from "../definition/retry.ts";
import { PRIORITIES } from "../definition/traits.ts";
import { fields, type Immutable, lengthText } from "./fields.ts";

const DAY = { toMs: 86_400_000, to: "1d" };
const delayText = lengthText({ fromMs: 1, from: "1ms", toMs: 366 * DAY.toMs, to: "366d" });

const retryFields = fields({
  maxRetries: z
    .number()
    .int()
    .min(0)
    .max(1_000)
    .describe("Number of retries after the first attempt: 3 allows four attempts. Default: 5.")
    .optional(),
  firstDelay: delayText.describe("Delay before the first retry. Default: 1s.").optional(),
  factor: z.number().min(1).max(1_000).describe("Each delay is this many times the one before. Default: 2.").optional(),
  maxDelay: delayText.describe("Longest delay. Default: 5m.").optional(),
  then: z
    .enum(["dead", "drop"])
    .describe("What happens to the task after the last attempt: a dead letter, or nothing. Default: dead.")
    .optional(),
});

type RetrySettings = Immutable<z.output<typeof retryFields>>;

/** The policy that stands for `settings`. What they leave out has the default of `exponentialBackoff`. */
export function retryPolicyOf({ maxRetries, firstDelay, factor, maxDelay, then }: RetrySettings): RetryPolicy {
  const [firstDelayMs, maxDelayMs] = [firstDelay, maxDelay].map((text = "") => parseLengthMs(text));
  const options: BackoffOptions = {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(firstDelayMs === undefined ? {} : { firstDelayMs }),
    ...(factor === undefined ? {} : { factor }),
    ...(maxDelayMs === undefined ? {} : { maxDelayMs }),
    ...(then === undefined ? {} : { then }),
  };
  return exponentialBackoff(options);
}

function isInOrder(settings: RetrySettings): boolean {
  try {
    retryPolicyOf(settings);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** How a task's runs go, for all VOs or for one. Workers read it when they pull a task, and when they start it. */
export const runFields = {
  timeout: lengthText({ fromMs: 1, from: "1ms", ...DAY })
    .describe(
      "Longest run, in place of the definition's. At most as long as the workers' database lets a transaction be.",
    )
    .optional(),
  retry: retryFields
    .refine(isInOrder, "firstDelay is longer than maxDelay, which is 5m where it is left out; raise maxDelay")
    .describe("When a failed task is tried again, in place of the definition's whole policy.")
    .optional(),
  priority: z
    .enum(PRIORITIES)
    .describe("Realtime goes strictly before normal, and normal before background. In place of the definition's.")
    .optional(),
};
