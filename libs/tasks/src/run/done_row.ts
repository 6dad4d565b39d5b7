import type { Json } from "../definition/json.ts";
import type { OutcomeRow } from "../definition/ledger.ts";
import { payloadHash, sizeProblem } from "../definition/payload.ts";
import type { AttemptInput } from "./attempt.ts";

/** Largest result kept in the ledger, bytes of JSON. */
const MAX_RESULT_BYTES = 256 * 1024;

/** A run whose `execute` has returned. */
type DoneRun = Pick<AttemptInput<unknown>, "taskId" | "definition" | "vo" | "sent" | "attempt" | "errors">;

/** A result as the ledger keeps it. Throws `RangeError` for one that it cannot keep. */
export function checkedResult(task: string, result: unknown): Json {
  if (result === undefined) return null;
  const problem = sizeProblem(result);
  if (problem !== undefined) throw new RangeError(`Cannot keep the result of ${task}: ${problem}`);
  const text = JSON.stringify(result) as string | undefined;
  if (text === undefined) return null;
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_RESULT_BYTES) {
    throw new RangeError(
      `Cannot keep the result of ${task}: it has ${bytes} bytes of JSON; ${MAX_RESULT_BYTES} are the limit`,
    );
  }
  return JSON.parse(text) as Json;
}

/** The row of a run that is done. Throws `RangeError` for a result that cannot be kept. */
export function doneRow(input: DoneRun, result: unknown, spawned: OutcomeRow["spawned"]): OutcomeRow {
  const { taskId, definition, vo, sent, attempt, errors } = input;
  // The row of a task that may run again is kept only for its children. Without children nobody reads its hash.
  const isKept = definition.effect === "once" || spawned.length > 0;
  const kept = checkedResult(definition.name, result);
  return {
    taskId,
    task: definition.name,
    vo,
    payloadHash: isKept ? payloadHash(sent) : "",
    attempt,
    outcome: "done",
    result: kept,
    spawned,
    dueAt: null,
    errors,
  };
}
