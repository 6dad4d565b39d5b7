import { escapeControls, escapeControlsInLines } from "@muster/service";
import { type StoredDeadLetter, findDeadLetter } from "@muster/tasks/operate";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { withBroker } from "../run/servers.ts";
import { letterJson, parseSequence } from "./letter.ts";

const EXAMPLES = `
Examples:
  muster dead show 4711
  muster dead show 4711 --json | jq -r .body`;

function headersOf({ headers }: StoredDeadLetter): [string, string][] {
  return [...(headers ?? [])].flatMap(([name, values]) => values.map((value): [string, string] => [name, value]));
}

function show(letter: StoredDeadLetter, body: string): string {
  const fields: [string, string][] = [
    ["sequence", String(letter.sequence)],
    ["task", letter.task],
    ["VO", letter.vo],
    ["task id", letter.taskId],
    ["attempt", String(letter.attempt)],
    ["dead at", letter.deadAt],
    ["reason", letter.reason],
    ...letter.errors.map((error, index): [string, string] => [`error ${index + 1}`, error]),
    ...headersOf(letter).filter(([name]) => !name.startsWith("Dead-")),
  ];
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields.map(([name, value]) => `${escapeControls(name).padEnd(width)}  ${escapeControls(value)}`);
  return [...lines, "", escapeControlsInLines(body)].join("\n");
}

/** `muster dead show`. */
export function showDeadCommand(): Command {
  return new Command("show")
    .description("one dead letter with its errors, headers and payload")
    .argument("<sequence>", "its place in DEAD, as `muster dead list` shows it", parseSequence)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (sequence: number, options: OutputOptions) => {
      const letter = await withBroker((broker) => findDeadLetter(broker, sequence));
      const body = new TextDecoder().decode(letter.body);
      const json = { ...letterJson(letter), headers: Object.fromEntries(letter.headers ?? []), body };
      print(json, options, () => show(letter, body));
    });
}
