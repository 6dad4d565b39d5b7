// Tested by tests/src/cli/unserved_test.ts
import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import {
  doesNotFire,
  findLeaders,
  isTaskCharge,
  measureClock,
  type ScheduleRow,
  scheduleTable,
} from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { knownTasks } from "../run/extensions.ts";
import { watchable, watched } from "../run/watch.ts";
import { taskNamed } from "../run/names.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseInstance, parseVoOrNone } from "../run/values.ts";

interface ListOptions extends OutputOptions {
  readonly task?: string;
  readonly vo?: string;
  readonly instance?: string;
  readonly times: number;
}

export function parseTimes(text: string): number {
  const times = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (times >= 1 && times <= 100) return times;
  throw new InvalidArgumentError("Times are a whole number from 1 to 100.");
}

/** Its state, and what is wrong with it. */
function stateOf(row: ScheduleRow, nowMs: number): string {
  if (row.leader === null) return `${row.state}, no leader`;
  return doesNotFire(row, nowMs) ? `${row.state}, does not fire` : row.state;
}

/** What is wrong with the schedules, below their table. */
function describeAmiss(rows: readonly ScheduleRow[], nowMs: number): string {
  const unserved = [...new Set(rows.filter(({ leader }) => leader === null).map(({ task }) => task))];
  const led = `No running scheduler leads ${unserved.join(", ")}: nothing fires; start apps/scheduler`;
  const late = rows.filter((row) => doesNotFire(row, nowMs)).length;
  const fires = `${count(late, "schedule")} ${late === 1 ? "does" : "do"} not fire though a scheduler leads; \`muster doctor\` says why`;
  return `${unserved.length > 0 ? `\n${led}` : ""}${late > 0 ? `\n${fires}` : ""}`;
}

function show(rows: readonly ScheduleRow[], nowMs: number): string {
  if (rows.length === 0) return "There is no such schedule; a schedule per VO needs a VO, see `muster vo add`";
  const hasPaused = rows.some(({ pause }) => pause !== null);
  const table = tableText(
    ["TASK", "VO", "INSTANCE", "SCHEDULE", "STATE", "LAST", "NOW", "NEXT", ...(hasPaused ? ["PAUSED"] : [])],
    rows.map((row) => [
      ...[row.task, row.vo, row.instance, row.schedule, stateOf(row, nowMs)],
      row.since?.toISOString() ?? "never",
      row.isOccupied ? "waits or runs" : "idle",
      (row.leader === null ? "" : row.next.map((at) => at.toISOString()).join(" ")) || "-",
      ...(hasPaused ? [row.pause === null ? "" : describePause(row.pause)] : []),
    ]),
  );
  return `${table}${describeAmiss(rows, nowMs)}`;
}

/** Tasks of other applications that are named; the others are counted. */
const NAMED = 10;

/** Tasks that running schedulers lead and that this command does not know, so that it lists no schedule of them. */
async function findForeign(broker: Broker): Promise<readonly string[]> {
  const known = new Set((await knownTasks()).map(({ name }) => name));
  const { leaders } = await findLeaders(broker);
  return [...leaders.keys()].filter((charge) => isTaskCharge(charge) && !known.has(charge)).sort();
}

function describeForeign(tasks: readonly string[]): string {
  if (tasks.length === 0) return "";
  const more = tasks.length > NAMED ? ` and ${tasks.length - NAMED} more` : "";
  const named = `${tasks.slice(0, NAMED).join(", ")}${more}`;
  const text = `Schedules of other applications' tasks are not listed: ${named}; MUSTER_EXTENSIONS adds them`;
  return `\n${escapeControls(text)}`;
}

const EXAMPLES = [
  "muster schedule list --times 3",
  "muster schedule list --task MyCheckPilotsTask --vo lhcb",
  "muster schedule list --vo _ --json",
];

/** Whether a schedule is one of those that the options name. What they leave out may be any. */
export function isWanted(
  { task, vo, instance }: Pick<ScheduleRow, "task" | "vo" | "instance">,
  wanted: { readonly task?: string; readonly vo?: string; readonly instance?: string },
): boolean {
  return task === (wanted.task ?? task) && vo === (wanted.vo ?? vo) && instance === (wanted.instance ?? instance);
}

/** `muster schedule list`. */
export function listSchedulesCommand(): Command {
  return watchable(new Command("list"))
    .description("all schedules in force of the tasks it knows, and the times at which they will fire (UTC)")
    .option("--task <task>", "only this task's")
    .option("--vo <vo>", "only this VO's; _ for tasks that are not per VO", parseVoOrNone)
    .option("--instance <name>", "only schedules of this name; default is that of a task's own", parseInstance)
    .option("--times <number>", "this many coming times of each", parseTimes, 1)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES))
    .action(
      watched(async (options: ListOptions) => {
        if (options.task !== undefined) await taskNamed(options.task);
        const { rows, foreign, now } = await withBroker(async (broker) => {
          const configuration = await readConfigurationAloud(broker);
          const now = Date.now() - (await measureClock(broker));
          const table = { tasks: await knownTasks(), configuration, times: options.times, now };
          const rows = await scheduleTable(broker, table);
          return { rows, now, foreign: options.task === undefined ? await findForeign(broker) : [] };
        });
        const wanted = rows.filter((row) => isWanted(row, options));
        print(wanted, options, () => `${show(wanted, now)}${describeForeign(foreign)}`);
      }),
    );
}
