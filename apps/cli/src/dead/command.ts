import { Command } from "commander";
import { dropDeadCommand } from "./drop.ts";
import { listDeadCommand } from "./list.ts";
import { requeueDeadCommand } from "./requeue.ts";
import { showDeadCommand } from "./show.ts";

/** `muster dead`: shows, requeues and drops tasks that were given up. */
export function deadCommand(): Command {
  return new Command("dead")
    .description("dead letters: list, show, requeue, drop")
    .addCommand(listDeadCommand())
    .addCommand(showDeadCommand())
    .addCommand(requeueDeadCommand())
    .addCommand(dropDeadCommand());
}
