import { createPublisher, type Json, type JsonObject, type PublishableTask, readConfiguration } from "@muster/tasks";
import { Command, InvalidArgumentError } from "commander";
import * as z from "zod";
import { type OutputOptions, print } from "../print/output.ts";
import { parseLength } from "../print/time.ts";
import { UsageError } from "../run/failure.ts";
import { checkActive, findTask, taskNamed } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";
import { readPayload } from "./payload.ts";

const EXAMPLES = `
Examples:
  muster task publish MyPilotTask '{"ceName":"ce01.example.org"}' --vo lhcb
  muster task publish MyPilotTask '{"ceName":"ce01.example.org"}' --vo lhcb --delay 10m --id nightly-probe
  jq -c . payload.json | muster task publish MyPilotTask - --vo lhcb
  muster task publish MyPilotReportTask`;

interface PublishTaskOptions extends OutputOptions {
  readonly vo?: string;
  readonly id?: string;
  readonly delay?: number;
  readonly at?: Date;
  readonly unchecked?: boolean;
}

function parseDelay(text: string): number {
  const ms = parseLength(text);
  if (ms === undefined) throw new InvalidArgumentError("Write a whole number and a unit: 90s, 10m, 2h, 60d.");
  return ms;
}

function parseTime(text: string): Date {
  const at = new Date(text);
  const isWhole = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  if (isWhole && !Number.isNaN(at.getTime())) return at;
  throw new InvalidArgumentError("Write it as 2027-01-31T12:00:00Z, with its zone.");
}

/** What can be known of a task that this program does not know: its name, and whether a VO was given. */
function uncheckedTask(name: string, vo: string | undefined): PublishableTask {
  const payload = z.record(z.string(), z.json() as z.ZodType<Json>);
  return { name, per: vo === undefined ? "all" : "vo", payload };
}

function whenOf({ delay, at }: PublishTaskOptions): Date | undefined {
  if (delay !== undefined && at !== undefined) throw new UsageError("--delay and --at exclude each other");
  return delay === undefined ? at : new Date(Date.now() + delay);
}

async function publish(name: string, argument: string | undefined, options: PublishTaskOptions): Promise<void> {
  const { vo, id } = options;
  const task: PublishableTask =
    options.unchecked === true && findTask(name) === undefined ? uncheckedTask(name, vo) : taskNamed(name);
  const payload: JsonObject = await readPayload(argument);
  const at = whenOf(options);
  const published = await withBroker(async (broker) => {
    checkActive(await readConfiguration(broker), vo);
    return await createPublisher(broker).publish(task, {
      payload,
      ...(vo === undefined ? {} : { vo }),
      ...(id === undefined ? {} : { taskId: id }),
      ...(at === undefined ? {} : { at }),
    });
  });
  print({ task: name, vo: vo ?? null, ...published }, options, () => {
    const what = `${name}${vo === undefined ? "" : ` of ${vo}`} as ${published.taskId}`;
    if (published.duplicate) return `${what} was published before, and lies there or has run; nothing was stored`;
    return at === undefined ? `published ${what}` : `published ${what}, due ${at.toISOString()}`;
  });
}

/** `muster task publish`. */
export function publishTaskCommand(): Command {
  return new Command("publish")
    .description("publish a task, for whatever worker comes to it")
    .argument("<task>", "its name")
    .argument("[payload]", "JSON, or - for standard input (default: {})")
    .option("--vo <vo>", "the VO that it is for, where the task is per VO")
    .option("--id <id>", "its identity: publishing it again has no second effect (default: a random one)")
    .option("--delay <length>", "not before so long from now: 90s, 10m, 2h, 60d", parseDelay)
    .option("--at <time>", "not before this time, as 2027-01-31T12:00:00Z", parseTime)
    .option("--unchecked", "publish also a task that this program does not know; a worker that knows it checks it")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(publish);
}
