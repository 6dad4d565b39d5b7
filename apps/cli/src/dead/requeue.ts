// Tested by tests/src/cli/dead_test.ts
import { escapeControls } from "@muster/service";
import { type Broker, InvalidNameError } from "@muster/tasks";
import {
  checkRequeuable,
  countDeadLetters,
  type DeadFilter,
  findDeadLetter,
  type RefusedLetter,
  requeueDeadLetter,
  type Requeued,
  requeueDeadLetters,
  UnknownDeadLetterError,
} from "@muster/tasks/operate";
import { Command } from "commander";
import { count, type OutputOptions, print } from "../print/output.ts";
import { linesOf } from "../print/sum_up.ts";
import { complain, FailedError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { audit } from "../run/audit.ts";
import { chosenBy, describeChosen, type FilterOptions, withFilter } from "./filter.ts";
import { parseSequence } from "./letter.ts";

const EXAMPLES = `
Examples:
  muster dead requeue 4711 4712
  muster dead requeue --task MyPilotTask --vo lhcb --dry-run
  muster dead requeue --task MyPilotTask --vo lhcb
  muster dead requeue --reason "no such table" --newer-than 2h
  muster dead requeue --all`;

interface CommandOptions extends OutputOptions, FilterOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

interface Answer extends Requeued {
  /** Number of dead letters that the command line chose. */
  readonly matching: number;
  /** Sequences without a dead letter. */
  readonly missing: readonly number[];
}

/** Requeues each existing dead letter once. A missing one does not keep back the others. */
async function requeueEach(broker: Broker, sequences: readonly number[], dryRun: boolean): Promise<Answer> {
  const wanted = [...new Set(sequences)];
  const requeued: string[] = [];
  const refused: RefusedLetter[] = [];
  const missing: number[] = [];
  for (const sequence of wanted) {
    let taskId = "";
    try {
      const letter = await findDeadLetter(broker, sequence);
      taskId = letter.taskId;
      if (dryRun) checkRequeuable(letter);
      else await requeueDeadLetter(broker, letter);
      requeued.push(taskId);
    } catch (error) {
      if (error instanceof UnknownDeadLetterError) missing.push(sequence);
      else if (error instanceof InvalidNameError) refused.push({ sequence, taskId, reason: error.message });
      else throw error;
    }
  }
  return { matching: wanted.length, requeued, refused, missing };
}

async function requeueMatching(broker: Broker, filter: DeadFilter, dryRun: boolean): Promise<Answer> {
  const matching = await countDeadLetters(broker, filter);
  return { matching, missing: [], ...(await requeueDeadLetters(broker, filter, { limit: matching, dryRun })) };
}

/** A line for each of the first letters that stay, and one for all others. */
function linesOfRefused(refused: readonly RefusedLetter[]): readonly string[] {
  return linesOf(
    refused,
    ({ sequence, taskId, reason }) =>
      `stays dead: ${escapeControls(`${taskId === "" ? `dead letter ${sequence}` : taskId}: ${reason}`)}`,
    (others) => `and ${count(others.length, "more dead letter")} stay dead`,
  );
}

function tell({ matching, requeued, refused }: Answer, dryRun: boolean): string {
  const stayed = linesOfRefused(refused);
  if (dryRun) return [...stayed, `would requeue ${count(requeued.length, "dead letter")}`].join("\n");
  const done =
    matching === 0
      ? "no dead letter matches; nothing was requeued"
      : `requeued ${requeued.length.toLocaleString("en")} of ${count(matching, "dead letter")}`;
  return [...stayed, done].join("\n");
}

async function requeue(sequences: readonly number[], options: CommandOptions): Promise<void> {
  const filter = chosenBy(sequences, options);
  const { dryRun = false } = options;
  const answer = await withBroker(async (broker) => {
    const done = await (filter === undefined
      ? requeueEach(broker, sequences, dryRun)
      : requeueMatching(broker, filter, dryRun));
    if (!dryRun && done.requeued.length > 0) {
      const detail = { ...filter, requeued: done.requeued.length };
      await audit(broker, { action: "dead.requeue", target: describeChosen(sequences, filter), detail });
    }
    return done;
  });
  const { matching, requeued, refused, missing } = answer;
  const json = dryRun
    ? { matching: matching - missing.length, requeueable: requeued.length, refused, missing }
    : { matching, requeued, refused, missing };
  print(json, options, () => tell(answer, dryRun));
  if (missing.length > 0) complain(`There is no dead letter ${missing.join(", ")}; see \`muster dead list\``);
  const left = refused.length + missing.length;
  if (left > 0) throw new FailedError(`${count(left, "dead letter")} cannot be requeued`);
}

/** `muster dead requeue`. */
export function requeueDeadCommand(): Command {
  return withFilter(new Command("requeue"))
    .description("put dead letters back under their own ids, as a new attempt; safe to repeat")
    .argument("[sequences...]", "as `muster dead list` shows them", (text: string, before: readonly number[] = []) => [
      ...before,
      parseSequence(text),
    ])
    .option("--all", "all that there are")
    .option("--dry-run", "only tell how many would go back, and which would stay")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action((sequences: readonly number[], options: CommandOptions) => requeue(sequences, options));
}
