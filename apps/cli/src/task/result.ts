// Tested by tests/src/cli/follow_test.ts
import type { Broker } from "@muster/tasks";
import { findTask, type FollowOptions, followTask, type FoundTask } from "@muster/tasks/operate";
import { escapeControls } from "@muster/service";
import { Command, InvalidArgumentError } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { parseLength } from "../print/time.ts";
import { FailedError } from "../run/failure.ts";
import { parseTaskId } from "../run/values.ts";
import { describeState, type ResultJson, withLedgerIfKnown } from "./one_task.ts";

const EXAMPLES = `
Examples:
  muster task result nightly-probe
  muster task result nightly-probe --wait 10m --json | jq .result`;

interface ResultOptions extends OutputOptions {
  readonly wait?: number | true;
}

function parseWait(text: string): number {
  const ms = parseLength(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("Write a whole number and a unit: 90s, 10m, 2h.");
}

function hasEnded({ state }: FoundTask): boolean {
  return state !== "waiting" && state !== "delayed" && state !== "running" && state !== "unknown";
}

/** Follows the task to its end, or until the signal aborts. Returns what is known of it then. */
async function untilEnded(broker: Broker, id: string, options: FollowOptions): Promise<FoundTask> {
  for await (const update of followTask(broker, id, options)) {
    if (update.kind === "ended") return update.task;
  }
  return await findTask(broker, id, options);
}

async function result(id: string, { wait, ...options }: ResultOptions): Promise<void> {
  const found = await withLedgerIfKnown((broker, sources) =>
    wait === undefined
      ? findTask(broker, id, sources)
      : untilEnded(broker, id, { ...sources, ...(wait === true ? {} : { signal: AbortSignal.timeout(wait) }) }),
  );
  if (!hasEnded(found)) {
    const why = found.state === "unknown" ? describeState(found) : `it has not ended: ${describeState(found)}`;
    throw new Error(`Cannot print the result of ${JSON.stringify(found.taskId)}: ${why}`);
  }
  const { taskId, task, vo, state: outcome, attempt, errors, endedAt, notes } = found;
  if (outcome === "done" && found.result === undefined) {
    throw new Error(`Cannot print the result of ${JSON.stringify(taskId)}: it is done, and ${notes.join("; ")}`);
  }
  const error = outcome === "done" ? null : (errors.at(-1) ?? null);
  const kept = found.result === undefined ? {} : { result: found.result };
  const json: ResultJson = { taskId, task, vo, outcome, attempt, ...kept, error, endedAt };
  print(json, options, () =>
    outcome === "done"
      ? JSON.stringify(found.result, null, 2)
      : escapeControls(`${describeState(found)}${error === null ? "" : `: ${error}`}`),
  );
  if (outcome !== "done") throw new FailedError(describeState(found));
}

/** `muster task result`. */
export function taskResultCommand(): Command {
  return new Command("result")
    .description("what a task returned, where it was kept or the ledger has it; exits with 1 where it is not done")
    .argument("<id>", "its id", parseTaskId)
    .option(
      "--wait [length]",
      "wait until it has ended, at most this long: 90s, 10m, 2h (default: until then)",
      parseWait,
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(result);
}
