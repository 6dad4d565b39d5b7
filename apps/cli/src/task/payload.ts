import type { JsonObject } from "@muster/tasks";
import { text } from "node:stream/consumers";
import { UsageError } from "../run/failure.ts";

/** The payload as it stands on the command line: JSON, `-` for standard input, nothing for `{}`. Throws {@linkcode UsageError}. */
export async function readPayload(argument: string | undefined): Promise<JsonObject> {
  const json = argument === "-" ? await text(process.stdin) : (argument ?? "{}");
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`The payload is no JSON: ${reason}; write e.g. '{"ceName":"ce01.example.org"}'`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new UsageError(`The payload is ${JSON.stringify(value).slice(0, 40)}, and not a JSON object`);
  }
  return value as JsonObject;
}
