// Tested by tests/src/cli/operate_test.ts
import { listWorkers, type WorkerRecord } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import { watchable, watched } from "../run/watch.ts";
import { withBroker } from "../run/servers.ts";
import { parseTaskName } from "../run/values.ts";

const LIST = [
  "muster worker list",
  "muster worker list --task MyPilotTask --output wide",
  "muster worker list --watch",
];

const MEGABYTE = 1024 * 1024;

interface ListOptions extends OutputOptions {
  readonly task?: string;
}

/** A number of the record, or `-` where an older worker does not tell it. */
function told(number: number | undefined, unit = ""): string {
  return number === undefined ? "-" : `${number.toLocaleString("en")}${unit}`;
}

function rowOf(worker: WorkerRecord): string[] {
  const { name, tasks, permits, inHand, lagMs, memory, version = "-", startedAt, draining, host, pid } = worker;
  return [
    ...[name, draining === true ? "draining" : "runs", String(permits)],
    ...[told(inHand?.running), told(inHand?.buffered), told(inHand?.waitingForLocks), told(lagMs, " ms")],
    ...[told(memory === undefined ? undefined : Math.round(memory / MEGABYTE), " MB"), version],
    ...[shortly(Math.max(0, Date.now() - Date.parse(startedAt))), startedAt, host, String(pid), tasks.join(", ")],
  ];
}

function show(workers: readonly WorkerRecord[]): string {
  if (workers.length === 0) return "No such worker runs; start one, as docs/how-to/own-servers.md tells";
  return tableText(
    [
      ...["WORKER", "STATE", "#PERMITS", "#RUNNING", "#BUFFERED", "#FOR LOCKS", "#LAG", "#MEMORY", "VERSION"],
      ...["#UP FOR", "+SINCE", "+HOST", "+PID", "TASKS"],
    ],
    workers.map(rowOf),
  );
}

/** `muster worker list`. */
export function listWorkersCommand(): Command {
  return watchable(new Command("list"))
    .description("the workers that run: their tasks, permits, what is in hand, lag, memory, version and since when")
    .option("--task <task>", "only workers that run this task", parseTaskName)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...LIST))
    .action(
      watched(async ({ task, ...options }: ListOptions) => {
        const all = await withBroker(listWorkers);
        const workers = all
          .filter(({ tasks }) => task === undefined || tasks.includes(task))
          .sort((a, b) => (a.name < b.name ? -1 : 1));
        print(workers, options, () => show(workers));
      }),
    );
}
