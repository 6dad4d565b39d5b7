import { escapeControls } from "@muster/service";
import {
  type Broker,
  countDeadLetters,
  type DeadFilter,
  findDeadLetter,
  requeueDeadLetter,
  type Requeued,
  requeueDeadLetters,
} from "@muster/tasks";
import { Command } from "commander";
import { count, type OutputOptions, print } from "../print/output.ts";
import { FailedError, UsageError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { parseSequence } from "./letter.ts";

const EXAMPLES = `
Examples:
  muster dead requeue 4711 4712
  muster dead requeue --task MyPilotTask --vo lhcb --dry-run
  muster dead requeue --task MyPilotTask --vo lhcb
  muster dead requeue --all`;

interface RequeueOptions extends OutputOptions, Pick<DeadFilter, "task" | "vo"> {
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

async function requeueEach(broker: Broker, sequences: readonly number[]): Promise<Requeued> {
  const requeued: string[] = [];
  for (const sequence of sequences) {
    const letter = await findDeadLetter(broker, sequence);
    await requeueDeadLetter(broker, letter);
    requeued.push(letter.taskId);
  }
  return { requeued, refused: [] };
}

function checkTarget(sequences: readonly number[], { task, vo, all }: RequeueOptions): void {
  const isFiltered = task !== undefined || vo !== undefined;
  const ways = [sequences.length > 0, isFiltered, all === true].filter(Boolean).length;
  if (ways === 1) return;
  throw new UsageError("Name dead letters by their sequences, or by --task and --vo, or say --all: one of the three");
}

async function requeue(sequences: readonly number[], options: RequeueOptions): Promise<void> {
  checkTarget(sequences, options);
  const filter = { task: options.task, vo: options.vo };
  const { meant, answer } = await withBroker(async (broker) => {
    const number = sequences.length > 0 ? sequences.length : await countDeadLetters(broker, filter);
    if (options.dryRun === true) return { meant: number, answer: undefined };
    const done = sequences.length > 0 ? requeueEach(broker, sequences) : requeueDeadLetters(broker, filter, number);
    return { meant: number, answer: await done };
  });
  if (answer === undefined) {
    print({ matching: meant }, options, () => `would requeue ${count(meant, "dead letter")}`);
    return;
  }
  const { requeued, refused } = answer;
  print({ matching: meant, requeued, refused }, options, () => {
    const stayed = refused.map(({ taskId, reason }) => `stays dead: ${escapeControls(`${taskId}: ${reason}`)}`);
    return [...stayed, `requeued ${requeued.length.toLocaleString("en")} of ${count(meant, "dead letter")}`].join("\n");
  });
  if (refused.length > 0) throw new FailedError(`${count(refused.length, "dead letter")} cannot be requeued`);
}

/** `muster dead requeue`. */
export function requeueDeadCommand(): Command {
  return new Command("requeue")
    .description("put dead letters back under their own ids, as a new attempt; may be cut off and done again")
    .argument("[sequences...]", "as `muster dead list` shows them", (text: string, before: readonly number[] = []) => [
      ...before,
      parseSequence(text),
    ])
    .option("--task <task>", "all of this task")
    .option("--vo <vo>", "all of this VO")
    .option("--all", "all that there are")
    .option("--dry-run", "only say how many it would be")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action((sequences: readonly number[], options: RequeueOptions) => requeue(sequences, options));
}
