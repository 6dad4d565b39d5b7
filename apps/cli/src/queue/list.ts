import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { SHOWN, sumOf } from "../print/sum_up.ts";
import { withBroker } from "../run/servers.ts";
import { type HeldBy, jsonOfHeld, jsonOfPause, type Queue, type Queues, readQueues } from "./held.ts";
import { nameOfTarget } from "./target.ts";

const LIST = ["muster queue list", "muster queue list --json | jq '.pauses[].reason'"];

function json({ queues, pauses }: Queues): object {
  return {
    queues: queues.map(({ pauses: holding, ...waiting }) => ({ ...waiting, pauses: holding.map(jsonOfPause) })),
    pauses: pauses.map(jsonOfHeld),
  };
}

function pausesTable(pauses: readonly HeldBy[]): string {
  return tableText(
    ["PAUSED", "#READY", "#DELAYED", "SINCE, BY WHOM AND WHY"],
    pauses.map(({ pause, ready, delayed }) => [
      ...[nameOfTarget(pause.target), String(ready), String(delayed)],
      describePause(pause.note),
    ]),
  );
}

function queuesTable(queues: readonly Queue[]): string {
  const heldFirst = [...queues].sort((a, b) => b.pauses.length - a.pauses.length || b.ready - a.ready);
  const table = tableText(
    ["TASK", "VO", "STATE", "#READY", "#DELAYED"],
    heldFirst
      .slice(0, SHOWN)
      .map(({ task, vo, ready, delayed, pauses }) => [
        ...[task, vo, pauses.length > 0 ? "paused" : "open"],
        ...[ready, delayed].map(String),
      ]),
  );
  const others = heldFirst.slice(SHOWN);
  if (others.length === 0) return table;
  const tasks = sumOf(others, ({ ready, delayed }) => ready + delayed);
  return `${table}\nand ${others.length.toLocaleString("en")} more with ${count(tasks, "task")}; all with --json`;
}

function show({ queues, pauses }: Queues): string {
  const parts = [
    pauses.length === 0 ? "Nothing is paused" : pausesTable(pauses),
    queues.length === 0 ? "Nothing waits" : queuesTable(queues),
  ];
  return parts.join("\n\n");
}

/** `muster queue list`. */
export function listQueuesCommand(): Command {
  return new Command("list")
    .description("what is paused, with who, when and why; and what waits of each task and VO")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...LIST))
    .action(async (options: OutputOptions) => {
      const queues = await withBroker(readQueues);
      print(json(queues), options, () => show(queues));
    });
}
