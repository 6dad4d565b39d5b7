import { Command } from "commander";
import { dropOutboxCommand, retryOutboxCommand } from "./refused.ts";
import { listOutboxCommand } from "./list.ts";

/** `muster outbox`: shows tasks that applications have published in transactions of their own. */
export function outboxCommand(): Command {
  return new Command("outbox")
    .description("tasks that applications publish in their transactions: list, retry, drop")
    .addCommand(listOutboxCommand())
    .addCommand(retryOutboxCommand())
    .addCommand(dropOutboxCommand());
}
