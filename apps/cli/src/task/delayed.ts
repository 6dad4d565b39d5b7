import { type DelayedTasks, listDelayed } from "@muster/tasks/operate";
import { Command } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import { watchable, watched } from "../run/watch.ts";
import { withBroker } from "../run/servers.ts";

const EXAMPLES = `
Examples:
  muster task delayed
  muster task delayed --json | jq '.tasks[] | select(.dueAt < "2027-02-01")'`;

function show({ tasks, total }: DelayedTasks): string {
  if (total === 0) return "No task waits for its time";
  const rows = tasks.map(({ dueAt, task, vo, taskId, attempt }) => [
    ...[dueAt ?? "never", dueAt === null ? "" : shortly(Math.max(0, Date.parse(dueAt) - Date.now()))],
    ...[task, vo, taskId, String(attempt)],
  ]);
  const table = tableText(["DUE AT", "IN", "TASK", "VO", "TASK ID", "#ATTEMPT"], rows);
  return `${table}\n\n${count(tasks.length, "task")} of ${total}`;
}

/** `muster task delayed`. */
export function delayedTasksCommand(): Command {
  return watchable(new Command("delayed"))
    .description("tasks and retries that wait for their time, the soonest first; a thousand are read at most")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(
      watched(async (options: OutputOptions) => {
        const delayed = await withBroker((broker) => listDelayed(broker));
        print(delayed, options, () => show(delayed));
      }),
    );
}
