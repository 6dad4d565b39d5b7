import { escapeControlsInLines } from "@muster/service";
import { Command } from "commander";
import { readFileSync } from "node:fs";
import { ceCommand } from "./ce/command.ts";
import { deadCommand } from "./dead/command.ts";
import { doctorCommand } from "./doctor/command.ts";
import { migrateCommand } from "./migrate.ts";
import { pilotCommand } from "./pilot/command.ts";
import { checkSettings } from "./run/servers.ts";
import { scheduleCommand } from "./schedule/command.ts";
import { taskCommand } from "./task/command.ts";
import { upCommand } from "./up/command.ts";
import { voCommand } from "./vo/command.ts";

const NOTES = `
NATS_URL or NATS_CONTEXT and DATABASE_URL say where the servers are. Where they do not, those of a \`muster up\` are used that runs in
this folder or above, or on the data folder MUSTER_DATA_DIR.

Exit codes: 0 done, 1 failed, 2 the command line or a setting is wrong. With --json standard output holds one JSON document or nothing.`;

/**
 * Makes commander throw instead of ending the process, and escape the parts of the command line that it repeats. Also for all subcommands.
 */
function throwing(command: Command): Command {
  command.exitOverride().configureOutput({ outputError: (text, write) => write(escapeControlsInLines(text)) });
  for (const each of command.commands) throwing(each);
  return command;
}

function readVersion(): string {
  return JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;
}

/** The whole `muster` command. Parsing throws `CommanderError`, and the errors of the commands. */
export function createProgram(): Command {
  const program = new Command("muster")
    .description("the operator's command of Muster, which sends pilots to grid sites")
    .version(readVersion())
    .showHelpAfterError("(see --help)")
    .addHelpText("after", NOTES)
    .hook("preAction", checkSettings)
    .addCommand(upCommand())
    .addCommand(migrateCommand())
    .addCommand(voCommand())
    .addCommand(ceCommand())
    .addCommand(taskCommand())
    .addCommand(deadCommand())
    .addCommand(scheduleCommand())
    .addCommand(pilotCommand())
    .addCommand(doctorCommand());
  return throwing(program);
}
