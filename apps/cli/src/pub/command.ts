// Tested by tests/src/cli/nats_cli_test.ts
import { storeRaw } from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { text } from "node:stream/consumers";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { withBroker } from "../run/servers.ts";

const EXAMPLES = [
  `muster pub tasks.MyPilotTask.lhcb '{"ceName":"ce01.example.org"}'`,
  `muster pub tasks.MyPilotTask.lhcb '{"ceName":"ce01.example.org"}' -H 'Nats-Msg-Id: my-script-17'`,
  "jq -c . payload.json | muster pub tasks.MyPilotTask.lhcb -",
];

interface PubOptions extends OutputOptions {
  readonly header?: readonly Header[];
}

type Header = readonly [name: string, value: string];

/** Reads a subject to which one can publish. */
function parseSubject(subject: string): string {
  if (/^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(subject)) return subject;
  throw new InvalidArgumentError("A subject is words with single dots between, without spaces and wildcards.");
}

/** Reads `Name: value`, and adds it to those before. */
function parseHeader(line: string, before: readonly Header[] = []): readonly Header[] {
  const [, name, value] = /^([!-9;-~]+):[ \t]*([^\r\n]*)$/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) return [...before, [name, value.trimEnd()]];
  throw new InvalidArgumentError("A header is written as 'Name: value', on one line.");
}

/** `muster pub`: what `nats pub -J` does, for those who lack that command. */
export function pubCommand(): Command {
  return new Command("pub")
    .description("store a message on a subject, as `nats pub -J` does; nothing is checked before it is stored")
    .argument("<subject>", "tasks.<TaskName>.<vo>, or tasks.<TaskName>._ without a VO", parseSubject)
    .argument("[body]", "the payload, or - for standard input (default: none, which is {})")
    .option("-H, --header <header>", "'Name: value'; may be given several times", parseHeader)
    .option("-J, --jetstream", "taken as `nats pub` takes it; the message is always confirmed")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES))
    .action(async (subject: string, argument: string | undefined, { header = [], ...options }: PubOptions) => {
      const body = argument === "-" ? await text(process.stdin) : (argument ?? "");
      const stored = await withBroker((broker) => storeRaw(broker, { subject, body, headers: header }));
      const { stream, sequence, duplicate } = stored;
      print({ subject, ...stored }, options, () =>
        duplicate
          ? `${stream} had a message of this Nats-Msg-Id, as ${sequence}; nothing was stored`
          : `stored in ${stream} as ${sequence}`,
      );
    });
}
