import { Command } from "commander";
import { callTaskCommand } from "./call.ts";
import { delayedTasksCommand } from "./delayed.ts";
import { listTasksCommand } from "./list.ts";
import { publishTaskCommand } from "./publish.ts";

/** `muster task`: shows which tasks run and wait, and publishes tasks. */
export function taskCommand(): Command {
  return new Command("task")
    .description("tasks: publish, call, list, delayed")
    .addCommand(publishTaskCommand())
    .addCommand(callTaskCommand())
    .addCommand(listTasksCommand())
    .addCommand(delayedTasksCommand());
}
