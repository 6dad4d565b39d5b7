import type { Broker } from "@muster/tasks";
import { type DeadFilter, listDeadLetters, type StoredDeadLetter } from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { withBroker } from "../run/servers.ts";
import { watchable, watched } from "../run/watch.ts";
import { filterOf, type FilterOptions, withFilter } from "./filter.ts";
import { letterJson, parseSequence } from "./letter.ts";

const EXAMPLES = `
Examples:
  muster dead list
  muster dead list --task MyPilotTask --vo lhcb --limit 100
  muster dead list --reason "no such table" --newer-than 2h
  muster dead list --after 4711 --json`;

interface ListOptions extends OutputOptions, FilterOptions {
  readonly after?: number;
  readonly limit: number;
}

function parseLimit(text: string): number {
  const limit = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (limit > 0) return limit;
  throw new InvalidArgumentError("A limit is a whole number from 1 to 999999.");
}

interface Page {
  readonly letters: readonly StoredDeadLetter[];
  /** Number of all that match, on this page and on the others. */
  readonly total: number;
  /** Value of `--after` for the next page; null: there is none. */
  readonly next: number | null;
}

function showNone({ task, vo, ...others }: DeadFilter, after: number, total: number): string {
  const names = [task, vo].map((name) => (name === undefined ? "" : ` of ${JSON.stringify(name)}`)).join("");
  const which = `${names}${Object.values(others).some((each) => each !== undefined) ? " with this reason and age" : ""}`;
  if (after === 0) return `There is no dead letter${which}`;
  const all = total === 0 ? "there is none at all" : `all ${total.toLocaleString("en")} lie before it`;
  return `There is no dead letter${which} behind ${after}: ${all}`;
}

function show({ letters, total, next }: Page, after: number): string {
  const table = tableText(
    ["#SEQUENCE", "DEAD AT", "TASK", "VO", "TASK ID", "#ATTEMPT", "REASON"],
    letters.map((letter) => [
      ...[String(letter.sequence), letter.deadAt, letter.task, letter.vo, letter.taskId],
      ...[String(letter.attempt), letter.reason],
    ]),
  );
  const end = after > 0 ? "; there is no more behind them" : "";
  const more = next === null ? end : `; more with --after ${next}`;
  return `${table}\n\n${count(letters.length, "dead letter")} of ${total.toLocaleString("en")}${more}`;
}

async function readPage(
  broker: Broker,
  filter: DeadFilter,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<Page> {
  const { letters, total, hasMore } = await listDeadLetters(broker, filter, { after, limit });
  return { letters, total, next: hasMore ? (letters.at(-1)?.sequence ?? null) : null };
}

/** `muster dead list`. */
export function listDeadCommand(): Command {
  return watchable(withFilter(new Command("list")))
    .description("dead letters, oldest first")
    .option("--after <sequence>", "start after this one, for the next page", parseSequence)
    .option("--limit <number>", "at most this many", parseLimit, 50)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(
      watched(async ({ after = 0, limit, ...options }: ListOptions) => {
        const filter = filterOf(options) ?? {};
        const page = await withBroker((broker) => readPage(broker, filter, { after, limit }));
        const { letters, total, next } = page;
        print({ total, next, letters: letters.map(letterJson) }, options, () =>
          letters.length === 0 ? showNone(filter, after, total) : show(page, after),
        );
      }),
    );
}
