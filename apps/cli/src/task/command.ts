import { Command } from "commander";
import { callTaskCommand } from "./call.ts";
import { cancelTaskCommand } from "./cancel.ts";
import { delayedTasksCommand } from "./delayed.ts";
import { listTasksCommand } from "./list.ts";
import { publishTaskCommand } from "./publish.ts";

/** `muster task`: shows which tasks run and wait, and publishes tasks. */
export function taskCommand(): Command {
  return new Command("task")
    .description("tasks: publish, call, list, delayed, cancel")
    .addCommand(publishTaskCommand())
    .addCommand(callTaskCommand())
    .addCommand(listTasksCommand())
    .addCommand(delayedTasksCommand())
    .addCommand(cancelTaskCommand());
}
