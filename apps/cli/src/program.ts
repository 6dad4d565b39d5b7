import { escapeControlsInLines } from "@muster/service";
import { Command } from "commander";
import { openScreen, withFormats } from "./print/screen.ts";
import { bounded } from "./run/bounded.ts";
import { checkSettings } from "./run/servers.ts";
import { readVersion } from "./version.ts";

/** Each group of commands in the order of the help, with how it is loaded. */
const GROUPS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import("./up/command.ts")).upCommand(),
  migrate: async () => (await import("./migrate.ts")).migrateCommand(),
  vo: async () => (await import("./vo/command.ts")).voCommand(),
  ce: async () => (await import("./ce/command.ts")).ceCommand(),
  task: async () => (await import("./task/command.ts")).taskCommand(),
  group: async () => (await import("./group/command.ts")).groupCommand(),
  dead: async () => (await import("./dead/command.ts")).deadCommand(),
  outbox: async () => (await import("./outbox/command.ts")).outboxCommand(),
  schedule: async () => (await import("./schedule/command.ts")).scheduleCommand(),
  queue: async () => (await import("./queue/command.ts")).queueCommand(),
  worker: async () => (await import("./worker/command.ts")).workerCommand(),
  config: async () => (await import("./config/command.ts")).configCommand(),
  lock: async () => (await import("./lock/command.ts")).lockCommand(),
  pilot: async () => (await import("./pilot/command.ts")).pilotCommand(),
  pub: async () => (await import("./pub/command.ts")).pubCommand(),
  audit: async () => (await import("./audit/command.ts")).auditCommand(),
  doctor: async () => (await import("./doctor/command.ts")).doctorCommand(),
  "nats-users": async () => (await import("./nats_users/command.ts")).natsUsersCommand(),
  completion: async () => (await import("./completion/command.ts")).completionCommand(createProgram),
};

/** Groups whose commands may run before anything of NATS is there. Where one connects all the same, that looks at the files. */
const DOES_WITHOUT_NATS: ReadonlySet<string> = new Set(["nats-users", "completion"]);

const NOTES = `
NATS_URL or NATS_CONTEXT and DATABASE_URL say where the servers are. Where they do not, those of a \`muster up\` are used that runs in
this folder or above, or on the data folder MUSTER_DATA_DIR.

Exit codes: 0 done, 1 failed, 2 the command line or a setting is wrong. With --json standard output holds one JSON document or nothing.
Commands that print take --output json, yaml, table or wide; a table is as wide as the terminal, and wide cuts nothing. Lists take --watch.`;

/**
 * Makes commander throw instead of ending the process, and escape and shorten the parts of the command line `args` that it repeats. Also for
 * all subcommands.
 */
function throwing(command: Command, args: readonly string[]): Command {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(escapeControlsInLines(bounded(text, args))),
  });
  for (const each of command.commands) throwing(each, args);
  return command;
}

/** Loads the group that a command line names. Its first word decides; where that is no group, all are loaded, for the help. */
function loadGroups(first: string | undefined): Promise<readonly Command[]> {
  const named = first !== undefined && Object.hasOwn(GROUPS, first) ? GROUPS[first] : undefined;
  return Promise.all((named === undefined ? Object.values(GROUPS) : [named]).map((load) => load()));
}

/**
 * Makes the `muster` command. Parsing throws `CommanderError`, and the errors of the commands.
 *
 * It has all groups of commands, or only the one that `args` begins with. Loading all of them costs as much CPU as a short command takes.
 */
export async function createProgram(args: readonly string[] = []): Promise<Command> {
  const groups = await loadGroups(args[0]);
  const program = new Command("muster")
    .description("the operator's command of Muster, which sends pilots to grid sites")
    .version(readVersion())
    .showHelpAfterError("(see --help)")
    .addHelpText("after", NOTES)
    .hook("preAction", (_, command) => openScreen(command.opts()))
    .hook("preAction", () => checkSettings(DOES_WITHOUT_NATS.has(args[0] ?? "") ? "not needed" : "looked at"));
  for (const group of groups) program.addCommand(withFormats(group));
  return throwing(program, args);
}
