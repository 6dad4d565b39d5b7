// Tested by tests/src/cli/follow_test.ts
import { escapeControls } from "@muster/service";
import { followTask, type FollowUpdate, type FoundTask } from "@muster/tasks/operate";
import { Command } from "commander";
import type { OutputOptions } from "../print/output.ts";
import { followedOf } from "../print/screen.ts";
import { FailedError } from "../run/failure.ts";
import { parseTaskId } from "../run/values.ts";
import { describeProgress, describeState, describeStep, withLedgerIfKnown } from "./one_task.ts";

const EXAMPLES = `
Examples:
  muster task watch nightly-probe
  muster task watch nightly-probe --json | jq -r .kind`;

/** An update as lines. The text is not escaped. */
function linesOf(update: FollowUpdate): readonly string[] {
  switch (update.kind) {
    case "found":
      return [
        `${update.task.taskId}: ${describeState(update.task)}`,
        ...update.task.timeline.map(describeStep),
        ...(update.task.progress === null ? [] : [`progress: ${describeProgress(update.task.progress)}`]),
      ];
    case "step":
      return [describeStep(update.step)];
    case "progress":
      return [`progress: ${describeProgress(update.progress)}`];
    case "ended": {
      const { errors, result } = update.task;
      const error = errors.at(-1);
      const why = update.task.state === "done" || error === undefined ? "" : `: ${error}`;
      return [`${describeState(update.task)}${why}`, ...(result === undefined ? [] : [JSON.stringify(result)])];
    }
  }
}

function tell(update: FollowUpdate): void {
  const document = followedOf(update);
  const lines = document === undefined ? linesOf(update).map((line) => escapeControls(line)) : [document];
  for (const line of lines) console.log(line);
}

async function watch(id: string, _options: OutputOptions): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  let last: FoundTask | undefined;
  try {
    await withLedgerIfKnown(async (broker, sources) => {
      for await (const update of followTask(broker, id, { ...sources, signal: interrupted.signal })) {
        tell(update);
        if (update.kind === "ended") last = update.task;
      }
    });
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
  if (last?.state !== "done") throw new FailedError(last === undefined ? "interrupted" : describeState(last));
}

/** `muster task watch`. */
export function watchTaskCommand(): Command {
  return new Command("watch")
    .description("follow one task's steps and progress until it ends; exits with 0 where it is done, else with 1")
    .argument("<id>", "its id", parseTaskId)
    .option("--json", "print one JSON object a line, as it happens")
    .addHelpText("after", EXAMPLES)
    .action(watch);
}
