// Tested by tests/src/cli/cancel_test.ts
import { type Cancelled, cancelTask } from "@muster/tasks/operate";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { FailedError } from "../run/failure.ts";
import { withBroker, withDatabaseIfKnown } from "../run/servers.ts";
import { parseTaskId } from "../run/values.ts";
import { whoRunsThis } from "../run/who.ts";

const EXAMPLES = `
Examples:
  muster task cancel 0198c3f2-7a51-7cc4-9d58-0a4f7d1f3f55
  muster task cancel nightly-probe --reason "wrong dataset" --json`;

interface CancelOptions extends OutputOptions {
  readonly reason?: string;
}

function whereItIs(found: Extract<Cancelled, { kind: "requested" }>["found"]): string {
  if (found === "nowhere") return "no task of this id waits or runs, as far as the streams and the ledger tell";
  if (found === "unknown") return "more tasks wait than were looked at";
  const { task, vo, stream } = found;
  return stream === "LATER"
    ? `${task} of ${vo} waits for its time; a scheduler puts it away`
    : `${task} of ${vo} waits for a worker, or runs`;
}

function show(answer: Cancelled): string {
  const { kind, taskId } = answer;
  if (kind === "cancelled") return `cancelled ${taskId}`;
  if (kind === "too late") return `too late: ${taskId} is ${answer.outcome}`;
  return `requested: ${whereItIs(answer.found)}; what is pulled under this id until ${answer.expiresAt} is cancelled`;
}

/** `muster task cancel`. */
export function cancelTaskCommand(): Command {
  return new Command("cancel")
    .description("cancel a task that waits, is delayed or runs, on any worker; exits with 1 where it had ended before")
    .argument("<id>", "its id", parseTaskId)
    .option("--reason <text>", "kept with the task's outcome")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: CancelOptions) => {
      const { reason } = options;
      const asked = { by: whoRunsThis(), ...(reason === undefined ? {} : { reason }) };
      const answer = await withDatabaseIfKnown((database) =>
        withBroker((broker) => cancelTask(broker, id, { ...asked, ...(database && { ledger: database.ledger }) })),
      );
      print(answer, options, () => show(answer));
      if (answer.kind === "too late") throw new FailedError(show(answer));
    });
}
