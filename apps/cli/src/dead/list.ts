import { countDeadLetters, type DeadFilter, deadLetters, type StoredDeadLetter } from "@muster/tasks";
import { Command, InvalidArgumentError } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { withBroker } from "../run/servers.ts";
import { letterJson, parseSequence } from "./letter.ts";

const EXAMPLES = `
Examples:
  muster dead list
  muster dead list --task MyPilotTask --vo lhcb --limit 100
  muster dead list --after 4711 --json`;

interface ListOptions extends OutputOptions, Pick<DeadFilter, "task" | "vo"> {
  readonly after?: number;
  readonly limit: number;
}

function parseLimit(text: string): number {
  const limit = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (limit > 0) return limit;
  throw new InvalidArgumentError("A limit is a whole number from 1 to 999999.");
}

function showNone({ task, vo }: DeadFilter, total: number): string {
  if (total > 0) return "There is none behind that one";
  const which = [task, vo].map((name) => (name === undefined ? "" : ` of ${JSON.stringify(name)}`)).join("");
  return `There is no dead letter${which}`;
}

function show(letters: readonly StoredDeadLetter[], total: number): string {
  const table = tableText(
    ["#SEQUENCE", "DEAD AT", "TASK", "VO", "TASK ID", "#ATTEMPT", "REASON"],
    letters.map((letter) => [
      ...[String(letter.sequence), letter.deadAt, letter.task, letter.vo, letter.taskId],
      ...[String(letter.attempt), letter.reason],
    ]),
  );
  const last = letters.at(-1)?.sequence ?? 0;
  const more = letters.length < total ? `; more with --after ${last}` : "";
  return `${table}\n\n${count(letters.length, "dead letter")} of ${total.toLocaleString("en")}${more}`;
}

/** `muster dead list`. */
export function listDeadCommand(): Command {
  return new Command("list")
    .description("dead letters, oldest first")
    .option("--task <task>", "only this task's")
    .option("--vo <vo>", "only this VO's")
    .option("--after <sequence>", "only those behind this one", parseSequence)
    .option("--limit <number>", "so many at most", parseLimit, 50)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async ({ task, vo, after = 0, limit, ...options }: ListOptions) => {
      const filter = { task, vo };
      const { letters, total } = await withBroker(async (broker) => {
        const found: StoredDeadLetter[] = [];
        for await (const letter of deadLetters(broker, filter, { after, headersOnly: true })) {
          found.push(letter);
          if (found.length >= limit) break;
        }
        return { letters: found, total: await countDeadLetters(broker, filter) };
      });
      print({ total, letters: letters.map(letterJson) }, options, () =>
        letters.length === 0 ? showNone(filter, total) : show(letters, total),
      );
    });
}
