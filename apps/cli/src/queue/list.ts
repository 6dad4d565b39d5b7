// Tested by tests/src/cli/queue_test.ts
import {
  listQueuePauses,
  listQueues,
  type QueueFigures,
  type QueueOptions,
  type QueuePause,
} from "@muster/tasks/operate";
import type { Broker } from "@muster/tasks";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { SHOWN, sumOf } from "../print/sum_up.ts";
import { shortly } from "../print/time.ts";
import { watchable, watched } from "../run/watch.ts";
import { knownTasks } from "../run/extensions.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseTaskName, parseVoOrNone } from "../run/values.ts";
import { held, type HeldBy, jsonOfHeld, jsonOfPause, type Queue, type Queues } from "./held.ts";
import { nameOfTarget } from "./target.ts";

const LIST = [
  "muster queue list",
  "muster queue list --task MyPilotTask --watch 5s",
  "muster queue list --json | jq '.pauses[].reason'",
];

interface ListOptions extends OutputOptions {
  readonly task?: string;
  readonly vo?: string;
}

type Shown = Queues<QueueFigures>;

function json({ queues, pauses }: Shown): object {
  return {
    queues: queues.map(({ pauses: holding, ...waiting }) => ({ ...waiting, pauses: holding.map(jsonOfPause) })),
    pauses: pauses.map(jsonOfHeld),
  };
}

function pausesTable(pauses: readonly HeldBy[]): string {
  return tableText(
    ["PAUSED", "#WAITING", "#DELAYED", "SINCE, BY WHOM AND WHY"],
    pauses.map(({ pause, ready, delayed }) => [
      ...[nameOfTarget(pause.target), String(ready), String(delayed)],
      describePause(pause.note),
    ]),
  );
}

function rowOf({
  task,
  vo,
  priority,
  waiting,
  inHand,
  delayed,
  oldestAt,
  endedPerMinute,
  pauses,
}: Queue<QueueFigures>) {
  return [
    ...[task, vo, priority ?? "-", pauses.length > 0 ? "paused" : "open"],
    ...[waiting, inHand, delayed].map(String),
    oldestAt === null ? "-" : shortly(Math.max(0, Date.now() - Date.parse(oldestAt))),
    ...[endedPerMinute === null ? "-" : String(endedPerMinute), oldestAt ?? "-"],
  ];
}

function queuesTable(queues: readonly Queue<QueueFigures>[]): string {
  const heldFirst = [...queues].sort((a, b) => b.pauses.length - a.pauses.length || b.ready - a.ready);
  const table = tableText(
    ["TASK", "VO", "PRIORITY", "STATE", "#WAITING", "#IN HAND", "#DELAYED", "#OLDEST", "#PER MIN", "+OLDEST SINCE"],
    heldFirst.slice(0, SHOWN).map(rowOf),
  );
  const others = heldFirst.slice(SHOWN);
  if (others.length === 0) return table;
  const tasks = sumOf(others, ({ ready, delayed }) => ready + delayed);
  return `${table}\nand ${others.length.toLocaleString("en")} more with ${count(tasks, "task")}; all with --json`;
}

function show({ queues, pauses }: Shown): string {
  const parts = [
    pauses.length === 0 ? "Nothing is paused" : pausesTable(pauses),
    queues.length === 0 ? "Nothing waits" : queuesTable(queues),
  ];
  return parts.join("\n\n");
}

/** Whether a pause concerns one of the queues that were asked for. */
function isAsked({ target }: QueuePause, { task, vo }: ListOptions): boolean {
  return (
    (target.task ?? task ?? "") === (task ?? target.task ?? "") && (target.vo ?? vo ?? "") === (vo ?? target.vo ?? "")
  );
}

async function read(broker: Broker, options: ListOptions): Promise<Shown> {
  const { task, vo } = options;
  const known: QueueOptions = { tasks: await knownTasks(), configuration: await readConfigurationAloud(broker) };
  const pauses = (await listQueuePauses(broker)).filter((pause) => isAsked(pause, options));
  const figures = await listQueues(broker, known);
  return held(
    pauses,
    figures.filter((each) => each.task === (task ?? each.task) && each.vo === (vo ?? each.vo)),
  );
}

/** `muster queue list`. */
export function listQueuesCommand(): Command {
  return watchable(new Command("list"))
    .description("what is paused, and what waits, is in hand, is delayed and ended in the last minute, per task and VO")
    .option("--task <task>", "only this task's", parseTaskName)
    .option("--vo <vo>", "only this VO's, `_` for tasks that are not per VO", parseVoOrNone)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...LIST))
    .action(
      watched(async (options: ListOptions) => {
        const queues = await withBroker((broker) => read(broker, options));
        print(json(queues), options, () => show(queues));
      }),
    );
}
