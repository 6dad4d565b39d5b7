import { Command } from "commander";
import { changeScheduleCommands } from "./change.ts";
import { listSchedulesCommand } from "./list.ts";
import { nextTimesCommand } from "./next.ts";
import { pauseCommands } from "./pause.ts";
import { triggerCommand } from "./trigger.ts";

const EXAMPLES = `
Examples:
  muster schedule list --times 3
  muster schedule next --rule "rrule FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18" --zone Europe/Zurich --times 12
  muster schedule set MyCheckPilotsTask "every 10s" --vo lhcb
  muster schedule set MyPilotReportTask "cron 0 6 * * * Europe/Zurich"
  muster schedule disable MySubmitPilotsTask --vo lhcb
  muster schedule pause MySubmitPilotsTask --reason "maintenance"`;

/** `muster schedule`: shows and changes when periodic tasks run. */
export function scheduleCommand(): Command {
  const command = new Command("schedule")
    .description("schedules: list, next, set, reset, enable, disable, pause, resume, trigger; in force within a second")
    .addHelpText("after", EXAMPLES);
  const lists = [listSchedulesCommand(), nextTimesCommand()];
  for (const each of [...lists, ...changeScheduleCommands(), ...pauseCommands(), triggerCommand()])
    command.addCommand(each);
  return command;
}
