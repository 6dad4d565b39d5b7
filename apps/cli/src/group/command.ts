import { Command } from "commander";
import { listGroupsCommand } from "./list.ts";
import { showGroupCommand } from "./show.ts";

/** `muster group`: shows groups of children and their callbacks. */
export function groupCommand(): Command {
  return new Command("group")
    .description("groups of children with a callback: list, show")
    .addCommand(listGroupsCommand())
    .addCommand(showGroupCommand());
}
