import { getOutboxSummary, listRefusedTasks, type OutboxSummary, type RefusedTask } from "@muster/ledger";
import { Command } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { watchable, watched } from "../run/watch.ts";
import { withDatabase } from "../run/servers.ts";

const EXAMPLES = `
Examples:
  muster outbox list
  muster outbox list --json | jq '.refused[].reason'`;

/** Most tasks that were set aside in one list. */
const LISTED = 1_000;

interface Shown extends OutboxSummary {
  readonly listed: readonly RefusedTask[];
}

function show({ waiting, oldestAt, refused, listed }: Shown): string {
  const since = oldestAt === null ? "" : `, the oldest since ${oldestAt}`;
  const wait = `${count(waiting, "task")} ${waiting === 1 ? "waits" : "wait"} to be published${since}`;
  if (refused === 0) return `${wait}; none was set aside`;
  const table = tableText(
    ["SET ASIDE AT", "TASK", "VO", "TASK ID", "REASON"],
    listed.map(({ refusedAt, task, vo, taskId, reason }) => [refusedAt, task, vo, taskId, reason]),
  );
  return `${table}\n\n${count(refused, "task")} set aside; ${wait}`;
}

/** `muster outbox list`. */
export function listOutboxCommand(): Command {
  return watchable(new Command("list"))
    .description("tasks of the outbox that cannot be published as they are, and how many others wait")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(
      watched(async (options: OutputOptions) => {
        const shown = await withDatabase((database) =>
          database.transaction(async (transaction) => ({
            ...(await getOutboxSummary(transaction)),
            listed: await listRefusedTasks(transaction, LISTED),
          })),
        );
        const { waiting, oldestAt, listed } = shown;
        print({ waiting, oldestAt, refused: listed }, options, () => show(shown));
      }),
    );
}
