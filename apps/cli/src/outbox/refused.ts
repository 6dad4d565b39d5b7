import { dropRefusedTasks, type RefusedChoice, retryRefusedTasks, type Transaction } from "@muster/ledger";
import { Command } from "commander";
import { count, type OutputOptions, print } from "../print/output.ts";
import { auditOnNats } from "../run/audit.ts";
import { FailedError, UsageError } from "../run/failure.ts";
import { withDatabase } from "../run/servers.ts";
import { parseWanted, several } from "../run/values.ts";

interface RefusedOptions extends OutputOptions {
  readonly all?: boolean;
}

function choiceOf(ids: readonly string[], { all }: RefusedOptions): RefusedChoice {
  if (ids.length > 0 === (all === true))
    throw new UsageError("Name tasks by their ids, or say --all: one of the two; `muster outbox list` shows them");
  return all === true ? "all" : ids;
}

/** What a command does with tasks that were set aside, and how it tells of it. */
interface Way {
  readonly name: "retry" | "drop";
  readonly description: string;
  readonly done: string;
  act(transaction: Transaction, which: RefusedChoice): Promise<readonly string[]>;
}

function refusedCommand({ name, description, done, act }: Way): Command {
  return new Command(name)
    .description(description)
    .argument("[id...]", "ids of tasks, as `muster outbox list` shows them", several(parseWanted))
    .option("--all", "all that were set aside")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExamples:\n  muster outbox ${name} order-4711\n  muster outbox ${name} --all`)
    .action(async (ids: readonly string[], options: RefusedOptions) => {
      const which = choiceOf(ids, options);
      const changed = await withDatabase((database) => database.transaction((to) => act(to, which)));
      const missing = ids.filter((id) => !changed.includes(id));
      print({ [done]: changed, missing }, options, () => {
        const lines = missing.map((id) => `was not set aside: ${id}`);
        return [...lines, `${done} ${count(changed.length, "task")}`].join("\n");
      });
      const action = `outbox.${name}`;
      const target = which === "all" ? "all tasks that were set aside" : `tasks ${changed.slice(0, 20).join(", ")}`;
      if (changed.length > 0) await auditOnNats({ action, target, detail: { [done]: changed.length } });
      if (missing.length > 0) throw new FailedError("Some were not set aside");
    });
}

/** `muster outbox retry`. */
export function retryOutboxCommand(): Command {
  return refusedCommand({
    name: "retry",
    description: "publish tasks again that were set aside, once what was wrong is mended",
    done: "retried",
    act: retryRefusedTasks,
  });
}

/** `muster outbox drop`. */
export function dropOutboxCommand(): Command {
  return refusedCommand({
    name: "drop",
    description: "delete tasks that were set aside; nobody will run them",
    done: "dropped",
    act: dropRefusedTasks,
  });
}
