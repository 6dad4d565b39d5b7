import { pilotTasks } from "@muster/pilot-tasks";
import {
  type Broker,
  listUnknownTasks,
  listWaiting,
  listWorkers,
  printSchedule,
  type UnknownTask,
  type Waiting,
} from "@muster/tasks";
import { Command } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import type { KnownTask } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";

const EXAMPLES = `
Examples:
  muster task list
  muster task list --json | jq '.waiting[] | select(.ready > 1000)'`;

/** One task, as its definition says, and what there is of it now. */
interface TaskRow extends Pick<KnownTask, "name" | "per" | "effect" | "priority" | "size" | "timeoutMs"> {
  readonly retry: string;
  /** The definition's own; null: on demand. */
  readonly schedule: string | null;
  readonly workers: number;
  /** In TASKS: waiting or running. */
  readonly ready: number;
  readonly delayed: number;
}

interface TaskList {
  readonly tasks: readonly TaskRow[];
  readonly waiting: readonly Waiting[];
  /** Tasks that wait and that no running worker knows. */
  readonly unknown: readonly UnknownTask[];
}

async function readList(broker: Broker): Promise<TaskList> {
  const [waiting, workers] = await Promise.all([listWaiting(broker), listWorkers(broker)]);
  const tasks = pilotTasks.map(({ name, per, effect, priority, size, timeoutMs, retry, recurrence }): TaskRow => {
    const own = waiting.filter(({ task }) => task === name);
    const sum = (kind: "ready" | "delayed") => own.reduce((total, each) => total + each[kind], 0);
    return {
      ...{ name, per, effect, priority, size, timeoutMs },
      retry: retry.name,
      schedule: recurrence === undefined ? null : printSchedule(recurrence),
      workers: workers.filter((worker) => worker.tasks.includes(name)).length,
      ready: sum("ready"),
      delayed: sum("delayed"),
    };
  });
  const known = workers.flatMap((worker) => worker.tasks);
  return { tasks, waiting, unknown: await listUnknownTasks(broker, known) };
}

function show({ tasks, waiting, unknown }: TaskList): string {
  const parts = [
    tableText(
      ["TASK", "PER", "PRIORITY", "SIZE", "RETRY", "OWN SCHEDULE", "#WORKERS", "#READY", "#DELAYED"],
      tasks.map((task) => [
        ...[task.name, task.per, task.priority, task.size, task.retry, task.schedule ?? "on demand"],
        ...[task.workers, task.ready, task.delayed].map(String),
      ]),
    ),
  ];
  if (waiting.length > 0) {
    const rows = waiting.map(({ task, vo, ready, delayed }) => [task, vo, String(ready), String(delayed)]);
    parts.push(tableText(["WAITING", "VO", "#READY", "#DELAYED"], rows));
  }
  for (const { task, vo, count: number, oldestAt } of unknown) {
    const age = shortly(Date.now() - oldestAt.getTime());
    parts.push(`No running worker knows ${task}: ${count(number, "task")} of ${vo}, the oldest for ${age}`);
  }
  return parts.join("\n\n");
}

/** `muster task list`. */
export function listTasksCommand(): Command {
  return new Command("list")
    .description("all tasks with their definitions, their workers, and what waits of each VO")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: OutputOptions) => {
      const list = await withBroker(readList);
      print(list, options, () => show(list));
    });
}
