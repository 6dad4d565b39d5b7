import * as z from "zod";
import { InvalidScheduleError } from "../calendar/invalid_schedule.ts";
import { parseLengthMs } from "../calendar/length_text.ts";
import { InvalidNameError } from "../format/names.ts";

/** A value that nobody changes, however deep. */
export type Immutable<Value> = Value extends object ? { readonly [Key in keyof Value]: Immutable<Value[Key]> } : Value;

/** An object whose unknown fields are kept, since a newer program may have written them. Its type has only the known ones. */
export function fields<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<z.core.util.Writeable<Shape>, z.core.$strip> {
  return z.looseObject(shape);
}

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof InvalidScheduleError) return error.message;
    throw error;
  }
}

/** The schema of a text that `check` accepts. `check` throws `InvalidNameError` or `InvalidScheduleError` where it does not. */
export function textFor(check: (text: string) => unknown): z.ZodString {
  return z.string().superRefine((text, context) => {
    const message = problemOf(() => check(text));
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

/** Bounds of a length of time, ms, and the same as texts. */
interface LengthBounds {
  readonly fromMs: number;
  readonly toMs: number;
  readonly from: string;
  readonly to: string;
}

/** The schema of a length of time as text, such as `10m`. */
export function lengthText({ fromMs, toMs, from, to }: LengthBounds): z.ZodString {
  return z
    .string()
    .refine((text) => {
      const ms = parseLengthMs(text);
      return ms !== undefined && ms >= fromMs && ms <= toMs;
    }, `it is no length of time from ${from} to ${to}; write a whole number and one of d, h, m, s, ms, as 10m`)
    .meta({ pattern: "^[0-9]{1,12}\\s*(d|h|m|s|ms)$", examples: ["90s", "10m", "2h"] });
}

/** The schema of an instant, RFC 3339. */
export const Time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), "it is no time; write RFC 3339");
