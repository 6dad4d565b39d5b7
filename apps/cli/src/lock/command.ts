import { Command } from "commander";
import { listLocksCommand } from "./list.ts";
import { releaseLockCommand } from "./release.ts";

/** `muster lock`: shows who holds locks and limits and who waits, and frees them. */
export function lockCommand(): Command {
  return new Command("lock")
    .description("locks and limits: list, show, release")
    .addCommand(listLocksCommand("list"))
    .addCommand(listLocksCommand("show"))
    .addCommand(releaseLockCommand());
}
