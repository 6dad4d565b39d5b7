import { Command } from "commander";
import { listDeadCommand } from "./list.ts";
import { requeueDeadCommand } from "./requeue.ts";
import { showDeadCommand } from "./show.ts";

/** `muster dead`: shows and requeues tasks that were given up. */
export function deadCommand(): Command {
  return new Command("dead")
    .description("dead letters: list, show, requeue")
    .addCommand(listDeadCommand())
    .addCommand(showDeadCommand())
    .addCommand(requeueDeadCommand());
}
