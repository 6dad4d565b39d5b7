import { Command } from "commander";
import { changeScheduleCommands } from "./change.ts";
import { listSchedulesCommand } from "./list.ts";
import { pauseCommands } from "./pause.ts";

const EXAMPLES = `
Examples:
  muster schedule list --times 3
  muster schedule set MyCheckPilotsTask "every 10s" --vo lhcb
  muster schedule set MyPilotReportTask "cron 0 6 * * * Europe/Zurich"
  muster schedule disable MySubmitPilotsTask --vo lhcb
  muster schedule pause MySubmitPilotsTask --reason "maintenance"`;

/** `muster schedule`: shows and changes when periodic tasks run. */
export function scheduleCommand(): Command {
  const command = new Command("schedule")
    .description("schedules: list, set, reset, enable, disable, pause, resume; in force within a second")
    .addHelpText("after", EXAMPLES);
  for (const each of [listSchedulesCommand(), ...changeScheduleCommands(), ...pauseCommands()])
    command.addCommand(each);
  return command;
}
