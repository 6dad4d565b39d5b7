// Tested by tests/src/cli/cli_test.ts
// Tested by tests/src/cli/many_unknown_test.ts
import { escapeControls } from "@muster/service";
import { type AnyTask, type Broker, NO_VO, printSchedule } from "@muster/tasks";
import {
  activeVos,
  type Configuration,
  listNewerPayloads,
  listUnknownTasks,
  listWaiting,
  listWorkers,
  type NewerPayload,
  taskForAllVos,
  readConfiguration,
  type UnknownTask,
  untilWorkersShown,
  type Waiting,
} from "@muster/tasks/operate";
import { Command } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { linesOf, SHOWN, sumOf } from "../print/sum_up.ts";
import { type HeldBy, jsonOfHeld, readQueues } from "../queue/held.ts";
import { nameOfTarget } from "../queue/target.ts";
import { watchable, watched } from "../run/watch.ts";
import { knownTasks } from "../run/extensions.ts";
import { withBroker } from "../run/servers.ts";
import { describeNewer, describeUnknown } from "./unknown.ts";

const EXAMPLES = `
Examples:
  muster task list
  muster task list --json | jq '.waiting[] | select(.ready > 1000)'`;

/** One task: parts of its definition, as the configuration has them for all VOs, and its present state. */
interface TaskRow extends Pick<AnyTask, "name" | "per" | "effect" | "priority" | "size" | "timeoutMs"> {
  readonly retry: string;
  /** The definition's own schedule; null: it has none. */
  readonly schedule: string | null;
  /** The names of the definition's named schedules. */
  readonly instances: readonly string[];
  readonly workers: number;
  /** Number of tasks in TASKS, which wait or run. */
  readonly ready: number;
  readonly delayed: number;
}

interface TaskList {
  readonly tasks: readonly TaskRow[];
  /** All waiting tasks. Those that a worker can run come first. */
  readonly waiting: readonly Waiting[];
  /** All waiting tasks that no running worker knows. */
  readonly unknown: readonly UnknownTask[];
  /** Tasks that wait for a worker that knows the version of their payload. */
  readonly newerPayloads: readonly NewerPayload[];
  /** What is paused, so that no worker takes it, and how much waits because of it. */
  readonly pauses: readonly HeldBy[];
}

interface Usable {
  readonly configuration: Configuration;
  readonly known: readonly AnyTask[];
}

/**
 * Sorts tasks that a worker can run before all others, and the largest numbers first in both groups. So a cut loses the least important.
 */
function byWeight(waiting: readonly Waiting[], { configuration, known }: Usable): readonly Waiting[] {
  const vos = new Set([...activeVos(configuration), NO_VO]);
  const isUsable = ({ task, vo }: Waiting) => vos.has(vo) && known.some(({ name }) => name === task);
  const weight = (each: Waiting) => (isUsable(each) ? Number.MAX_SAFE_INTEGER / 2 : 0) + each.ready + each.delayed;
  return [...waiting].sort((a, b) => weight(b) - weight(a));
}

async function readList(broker: Broker): Promise<TaskList> {
  await untilWorkersShown(broker);
  const configuration = await readConfiguration(broker);
  const [all, workers] = await Promise.all([listWaiting(broker), listWorkers(broker)]);
  const known = await knownTasks();
  const waiting = byWeight(all, { configuration, known });
  const tasks = known.map((definition): TaskRow => {
    const { name, per, effect, size, recurrence, instances } = definition;
    const { priority, timeoutMs, retry } = taskForAllVos(definition, configuration);
    const own = waiting.filter(({ task }) => task === name);
    const sum = (kind: "ready" | "delayed") => sumOf(own, (each) => each[kind]);
    return {
      ...{ name, per, effect, priority, size, timeoutMs },
      retry: retry.name,
      schedule: recurrence === undefined ? null : printSchedule(recurrence),
      instances: Object.keys(instances),
      workers: workers.filter((worker) => worker.tasks.includes(name)).length,
      ready: sum("ready"),
      delayed: sum("delayed"),
    };
  });
  const { pauses } = await readQueues(broker);
  const newerPayloads = await listNewerPayloads(broker);
  return { tasks, waiting, unknown: await listUnknownTasks(broker), newerPayloads, pauses };
}

/** `and 14,580 more: 14,592 tasks of 14,580 VOs`. */
function describeOthers(others: readonly Waiting[]): string {
  const tasks = sumOf(others, ({ ready, delayed }) => ready + delayed);
  const vos = new Set(others.map(({ vo }) => vo)).size;
  return `and ${others.length.toLocaleString("en")} more: ${count(tasks, "task")} of ${count(vos, "VO")}; all with --json`;
}

function describePaused({ pause: { target, note }, ready }: HeldBy): string {
  const since = describePause(note);
  return `paused: ${nameOfTarget(target)} (${since}); ${count(ready, "task")} ${ready === 1 ? "waits" : "wait"}; see \`muster queue list\``;
}

/** What the definition says of when the task comes: its schedule, its named ones, or that it comes on demand. */
function describeSchedule({ schedule, instances }: TaskRow): string {
  const own = schedule === null ? [] : [schedule];
  const all = [...own, ...instances.map((name) => `instance ${name}`)];
  return all.join(", ") || "on demand";
}

function show({ tasks, waiting, unknown, newerPayloads, pauses }: TaskList): string {
  const parts = [
    tableText(
      ["TASK", "PER", "PRIORITY", "SIZE", "RETRY", "OWN SCHEDULE", "#WORKERS", "#READY", "#DELAYED"],
      tasks.map((task) => [
        ...[task.name, task.per, task.priority, task.size, task.retry, describeSchedule(task)],
        ...[task.workers, task.ready, task.delayed].map(String),
      ]),
    ),
  ];
  if (waiting.length > 0) {
    const rows = waiting
      .slice(0, SHOWN)
      .map(({ task, vo, ready, delayed }) => [task, vo, String(ready), String(delayed)]);
    const table = tableText(["WAITING", "VO", "#READY", "#DELAYED"], rows);
    const others = waiting.slice(SHOWN);
    parts.push(others.length === 0 ? table : `${table}\n${describeOthers(others)}`);
  }
  const paused = linesOf(pauses, describePaused, (others) => `${count(others.length, "more pause")}`);
  const notes = [...paused, ...describeUnknown(unknown), ...describeNewer(newerPayloads)].map((text) =>
    escapeControls(`${text.charAt(0).toUpperCase()}${text.slice(1)}`),
  );
  if (notes.length > 0) parts.push(notes.join("\n"));
  return parts.join("\n\n");
}

/** `muster task list`. */
export function listTasksCommand(): Command {
  return watchable(new Command("list"))
    .description("all tasks with their definitions, their workers, and what waits of each VO")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(
      watched(async (options: OutputOptions) => {
        const list = await withBroker(readList);
        print({ ...list, pauses: list.pauses.map(jsonOfHeld) }, options, () => show(list));
      }),
    );
}
