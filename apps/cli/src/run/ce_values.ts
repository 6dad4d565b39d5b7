import { CeName, ceSettings } from "@muster/logic";
import { plainProblem } from "@muster/tasks/operate";
import { InvalidArgumentError } from "commander";
import type { ZodType } from "zod";

function accept<Value>(schema: ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues.map(plainProblem).join("; "));
}

/** Reads the name of a CE, in lower case as it is stored. */
export function parseCe(text: string): string {
  return accept(CeName, text);
}

function decimal(text: string): number {
  if (/^-?[0-9]{1,9}(\.[0-9]+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Write a number, as 200 or 0.95.");
}

/** Reads a CE's capacity. */
export function parseCapacity(text: string): number {
  return accept(ceSettings.capacity, decimal(text));
}

/** Reads a CE's success rate. */
export function parseSuccessRate(text: string): number {
  return accept(ceSettings.successRate, decimal(text));
}
