import { checkPublishable, type JsonObject, PayloadRefusedError, type PublishableTask } from "@muster/tasks";
import { text } from "node:stream/consumers";
import { UsageError } from "../run/failure.ts";
import { checkVoFits } from "../run/names.ts";

/** Reads the payload from the command line: JSON, `-` for standard input, or nothing for `{}`. Throws {@linkcode UsageError}. */
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

/** Runs `work`, and throws {@linkcode UsageError} if the task refuses the payload. */
export async function refusingPayloads<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PayloadRefusedError) throw new UsageError(error.message);
    throw error;
  }
}

/** Throws {@linkcode UsageError} if `task` refuses this VO or payload. It checks what can be checked before any server is asked. */
export async function checkCommand(
  task: PublishableTask,
  { vo, payload }: { readonly vo: string | undefined; readonly payload: JsonObject },
): Promise<void> {
  checkVoFits(task, vo);
  await refusingPayloads(() => checkPublishable(task, { payload, ...(vo === undefined ? {} : { vo }) }));
}
