// Tested by tests/src/cli/operate_test.ts
import type { Broker } from "@muster/tasks";
import {
  countToDrop,
  type DeadFilter,
  DeadLettersChangedError,
  dropDeadLetter,
  dropDeadLetters,
  UnknownDeadLetterError,
} from "@muster/tasks/operate";
import { Command } from "commander";
import { createInterface } from "node:readline";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { complain, FailedError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { parseWhole } from "../run/values.ts";
import { chosenBy, describeChosen, type FilterOptions, withFilter } from "./filter.ts";
import { parseSequence } from "./letter.ts";

const DROP = [
  "muster dead drop --task MyPilotTask --vo lhcb --older-than 30d",
  'muster dead drop --reason "no such table" --yes 17',
  "muster dead drop 4711 4712 --yes",
];

interface DropOptions extends OutputOptions, FilterOptions {
  readonly all?: boolean;
  /** `true`: whatever their number is. */
  readonly yes?: number | true;
}

interface Dropped {
  readonly matching: number;
  readonly dropped: number;
  /** Sequences without a dead letter. */
  readonly missing: readonly number[];
}

/** The first line of standard input; empty where it has none. */
async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    lines.close();
  }
}

/** Throws unless somebody confirms exactly this number: by `--yes`, or by typing it. */
async function confirm(matching: number, yes: DropOptions["yes"]): Promise<void> {
  if (yes === true || yes === matching) return;
  if (yes !== undefined) throw new DeadLettersChangedError(yes, matching);
  process.stderr.write(`Type ${matching} to delete ${count(matching, "dead letter")} for good: `);
  const typed = await readLine();
  if (typed.trim() === String(matching)) return;
  throw new Error(
    `Nothing was dropped: ${JSON.stringify(typed)} is not ${matching}; type the number, or give it as --yes ${matching}`,
  );
}

async function dropEach(broker: Broker, sequences: readonly number[]): Promise<Dropped> {
  const wanted = [...new Set(sequences)];
  const missing: number[] = [];
  for (const sequence of wanted) {
    try {
      await dropDeadLetter(broker, sequence);
    } catch (error) {
      if (!(error instanceof UnknownDeadLetterError)) throw error;
      missing.push(sequence);
    }
  }
  return { matching: wanted.length, dropped: wanted.length - missing.length, missing };
}

async function dropMatching(broker: Broker, filter: DeadFilter, yes: DropOptions["yes"]): Promise<Dropped> {
  const counted = await countToDrop(broker, filter);
  if (counted.count > 0 || typeof yes === "number") await confirm(counted.count, yes);
  return { matching: counted.count, dropped: await dropDeadLetters(broker, filter, counted), missing: [] };
}

async function drop(sequences: readonly number[], options: DropOptions): Promise<void> {
  const filter = chosenBy(sequences, options);
  const { yes } = options;
  const { matching, dropped, missing } = await withBroker(async (broker) => {
    if (filter === undefined) await confirm(new Set(sequences).size, yes);
    const done = await (filter === undefined ? dropEach(broker, sequences) : dropMatching(broker, filter, yes));
    if (done.dropped > 0) {
      const detail = { ...filter, dropped: done.dropped };
      await audit(broker, { action: "dead.drop", target: describeChosen(sequences, filter), detail });
    }
    return done;
  });
  print({ matching, dropped, missing }, options, () =>
    matching === 0
      ? "no dead letter matches; nothing was dropped"
      : `dropped ${dropped.toLocaleString("en")} of ${count(matching, "dead letter")}`,
  );
  if (missing.length === 0) return;
  complain(`There is no dead letter ${missing.join(", ")}; see \`muster dead list\``);
  throw new FailedError(`${count(missing.length, "dead letter")} cannot be dropped`);
}

/** `muster dead drop`. */
export function dropDeadCommand(): Command {
  return withFilter(new Command("drop"))
    .description("delete dead letters for good, once their exact number is confirmed; nobody will run their tasks")
    .argument("[sequences...]", "as `muster dead list` shows them", (text: string, before: readonly number[] = []) => [
      ...before,
      parseSequence(text),
    ])
    .option("--all", "all that there are")
    .option(
      "--yes [count]",
      "ask nobody; with a count only where exactly so many match, else none is dropped",
      parseWhole("The count", 0, 999_999_999),
    )
    .option("--json", "print JSON")
    .addHelpText("after", examples(...DROP))
    .action((sequences: readonly number[], options: DropOptions) => drop(sequences, options));
}
