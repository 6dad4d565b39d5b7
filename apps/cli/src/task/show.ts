// Tested by tests/src/cli/follow_test.ts
import { findTask } from "@muster/tasks/operate";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { parseTaskId } from "../run/values.ts";
import { FailedError } from "../run/failure.ts";
import { showTask, withLedgerIfKnown } from "./one_task.ts";

const EXAMPLES = `
Examples:
  muster task show nightly-probe
  muster task show nightly-probe --json | jq .errors`;

/** `muster task show`. */
export function showTaskCommand(): Command {
  return new Command("show")
    .description(
      "one task: its state, attempts, errors, parent, children, result and timeline; exits with 1 where nothing tells of it",
    )
    .argument("<id>", "its id", parseTaskId)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: OutputOptions) => {
      const found = await withLedgerIfKnown((broker, sources) => findTask(broker, id, sources));
      print(found, options, () => showTask(found));
      if (found.state === "unknown") throw new FailedError("nothing tells of this task");
    });
}
