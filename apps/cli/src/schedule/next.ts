// Tested by tests/src/cli/schedules_test.ts
import { InvalidScheduleError, parseSchedule, printSchedule, type Schedule } from "@muster/tasks";
import { localTime, measureClock, type ScheduleRow, scheduleTable, timesFrom } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { UsageError } from "../run/failure.ts";
import { parseInstant } from "../run/instant.ts";
import { taskNamed } from "../run/names.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseInstance, parseVoOrNone, parseZone } from "../run/values.ts";
import { isWanted, parseTimes } from "./list.ts";

interface NextOptions extends OutputOptions {
  readonly task?: string;
  readonly vo?: string;
  readonly instance?: string;
  readonly rule?: string;
  readonly from?: Date;
  readonly zone?: string;
  readonly times: number;
}

function readRule(text: string, zone: string | undefined): Schedule {
  try {
    return parseSchedule(text, zone === undefined ? {} : { timeZone: zone });
  } catch (error) {
    if (error instanceof InvalidScheduleError) throw new UsageError(error.message);
    throw error;
  }
}

/** The times of a schedule that was typed in. Asks no server. */
function showRule(text: string, options: NextOptions): void {
  const { zone, from = new Date(), times, task, vo, instance } = options;
  if (task !== undefined || vo !== undefined || instance !== undefined)
    throw new UsageError("--rule stands for itself; leave the task, --vo and --instance out");
  const schedule = readRule(text, zone);
  const shownIn = zone ?? (schedule.kind === "interval" ? "UTC" : schedule.timeZone);
  const next = timesFrom(schedule, { from, times });
  const local = next.map((at) => localTime(at, shownIn));
  const rule = printSchedule(schedule);
  print({ schedule: rule, timeZone: shownIn, from, next, local }, options, () => {
    const lines = next.map((at, index) => `${at.toISOString()}  ${local[index] ?? ""}`);
    if (next.length < times) lines.push(`No time of ${rule} comes after that`);
    return lines.join("\n");
  });
}

/** A schedule in force, with its coming times on a zone's clock. */
interface LocalRow extends ScheduleRow {
  readonly local: readonly string[];
}

function show(rows: readonly LocalRow[]): string {
  if (rows.length === 0) return "There is no such schedule; see `muster schedule list`";
  const lines = rows.flatMap(({ task, vo, instance, state, leader, next, local }) => {
    if (next.length === 0) return [[task, vo, instance, state === "on" ? "none: it has ended" : state, ""]];
    const served = leader === null ? " (no leader)" : "";
    return next.map((at, index) => [task, vo, instance, `${at.toISOString()}${served}`, local[index] ?? ""]);
  });
  return tableText(["TASK", "VO", "INSTANCE", "NEXT", "ON ITS CLOCK"], lines);
}

async function showInForce(options: NextOptions): Promise<void> {
  const { times, from, zone } = options;
  if (options.task !== undefined) await taskNamed(options.task);
  const rows = await withBroker(async (broker) => {
    const configuration = await readConfigurationAloud(broker);
    const now = Date.now() - (await measureClock(broker));
    const moment = from === undefined ? {} : { from: from.getTime() };
    return await scheduleTable(broker, { tasks: await knownTasks(), configuration, times, now, ...moment });
  });
  const wanted = rows
    .filter((row) => isWanted(row, options))
    .map((row): LocalRow => ({ ...row, local: row.next.map((at) => localTime(at, zone ?? row.timeZone)) }));
  print(wanted, options, () => show(wanted));
}

const EXAMPLES = [
  "muster schedule next MyCheckPilotsTask --vo lhcb --times 5",
  'muster schedule next --rule "cron 30 2 * * *" --zone Europe/Zurich --from 2027-03-27T00:00:00Z --times 3',
  'muster schedule next --rule "rrule FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18 Europe/Zurich" --times 12',
];

/** `muster schedule next`. */
export function nextTimesCommand(): Command {
  return new Command("next")
    .description("the coming times of schedules in force, or of one that is typed in")
    .argument("[task]", "only this task's")
    .option("--task <task>", "the same")
    .option("--vo <vo>", "only this VO's; _ for tasks that are not per VO", parseVoOrNone)
    .option("--instance <name>", "only schedules of this name; default is that of a task's own", parseInstance)
    .option("--rule <schedule>", "this schedule in place of those in force; no server is asked")
    .option("--from <time>", "from this time on, e.g. 2027-01-31T12:00:00Z (default: now)", parseInstant)
    .option("--zone <zone>", "zone of a rule that names none, and of the clock that is shown", parseZone)
    .option("--times <number>", "this many times of each", parseTimes, 5)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES))
    .action(async (argument: string | undefined, options: NextOptions) => {
      if (argument !== undefined && options.task !== undefined && argument !== options.task)
        throw new UsageError("Two tasks are named; name one");
      const task = argument ?? options.task;
      const wanted = { ...options, ...(task === undefined ? {} : { task }) };
      if (options.rule !== undefined) showRule(options.rule, wanted);
      else await showInForce(wanted);
    });
}
