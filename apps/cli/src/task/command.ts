import { Command } from "commander";
import { callTaskCommand } from "./call.ts";
import { cancelTaskCommand } from "./cancel.ts";
import { delayedTasksCommand } from "./delayed.ts";
import { listTasksCommand } from "./list.ts";
import { publishTaskCommand } from "./publish.ts";
import { taskResultCommand } from "./result.ts";
import { showTaskCommand } from "./show.ts";
import { watchTaskCommand } from "./watch.ts";

/** `muster task`: shows which tasks run and wait, and publishes tasks. */
export function taskCommand(): Command {
  return new Command("task")
    .description("tasks: publish, call, list, delayed, show, watch, result, cancel")
    .addCommand(publishTaskCommand())
    .addCommand(callTaskCommand())
    .addCommand(listTasksCommand())
    .addCommand(delayedTasksCommand())
    .addCommand(showTaskCommand())
    .addCommand(watchTaskCommand())
    .addCommand(taskResultCommand())
    .addCommand(cancelTaskCommand());
}
