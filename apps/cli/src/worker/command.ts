import { Command } from "commander";
import { drainWorkerCommand } from "./drain.ts";
import { listWorkersCommand } from "./list.ts";

/** `muster worker`: shows the workers that run, and drains them. */
export function workerCommand(): Command {
  return new Command("worker")
    .description("workers: list, drain")
    .addCommand(listWorkersCommand())
    .addCommand(drainWorkerCommand());
}
