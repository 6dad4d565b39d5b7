// Tested by tests/src/cli/repeat_test.ts
// Tested by tests/src/cli/cli_test.ts
import {
  createPublisher,
  type Json,
  type JsonObject,
  NO_VO,
  type PublishableTask,
  type Published,
  type Unique,
} from "@muster/tasks";
import { Command, InvalidArgumentError } from "commander";
import * as z from "zod";
import { type OutputOptions, print } from "../print/output.ts";
import { parseLength } from "../print/time.ts";
import { ourExtensions } from "../run/extensions.ts";
import { UsageError } from "../run/failure.ts";
import { parseInstant } from "../run/instant.ts";
import { checkActive, findTask, taskNamed } from "../run/names.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseTaskId, parseTaskName, parseUniqueKey, parseVoOrNone } from "../run/values.ts";
import { type AskedFor, type EarlierUse, earlierInLedger, earlierInStream, tellRepeat } from "./earlier_use.ts";
import { checkCommand, readPayload, refusingPayloads } from "./payload.ts";

const EXAMPLES = `
Examples:
  muster task publish MyPilotTask '{"ceName":"ce01.example.org"}' --vo lhcb
  muster task publish MyPilotTask '{"ceName":"ce01.example.org"}' --vo lhcb --delay 10m --id nightly-probe
  jq -c . payload.json | muster task publish MyPilotTask - --vo lhcb
  muster task publish MyPilotReportTask --unique report --debounce 30s
  muster task publish MyPilotReportTask`;

/** Latest time that the library accepts, ms since the epoch. */
const LATEST_MS = Date.parse("2262-04-11T00:00:00Z");

interface PublishTaskOptions extends OutputOptions {
  readonly vo?: string;
  readonly id?: string;
  readonly delay?: number;
  readonly at?: Date;
  readonly unchecked?: boolean;
  readonly keepResult?: number;
  readonly unique?: string;
  readonly debounce?: number;
  readonly replace?: boolean;
}

function parseDelay(text: string): number {
  const ms = parseLength(text);
  if (ms === undefined) throw new InvalidArgumentError("Write a whole number and a unit: 90s, 10m, 2h, 60d.");
  return ms;
}

function parseKeep(text: string): number {
  const ms = parseDelay(text);
  if (ms >= 1_000 && ms <= 30 * 86_400_000) return ms;
  throw new InvalidArgumentError("A result is kept for 1s to 30d.");
}

/** Returns what can be known of a task that this program does not know: its name, and whether a VO was given. */
function uncheckedTask(name: string, vo: string | undefined): PublishableTask {
  const payload = z.record(z.string(), z.json() as z.ZodType<Json, Json>);
  return { name, per: vo === undefined || vo === NO_VO ? "all" : "vo", payload, payloadVersion: 1 };
}

function whenOf({ delay, at }: PublishTaskOptions): Date | undefined {
  if (delay !== undefined && at !== undefined) throw new UsageError("--delay and --at exclude each other");
  const when = delay === undefined ? at : new Date(Date.now() + delay);
  if (when !== undefined && when.getTime() > LATEST_MS)
    throw new UsageError(`The task would start on ${when.toISOString()}; NATS takes times before 2262-04-11`);
  return when;
}

/** What was asked for of other tasks of the same key. Throws {@linkcode UsageError}. */
function uniqueOf({ unique: key, debounce, replace, ...options }: PublishTaskOptions): Unique | undefined {
  if (key === undefined) {
    if (debounce === undefined && replace === undefined) return undefined;
    throw new UsageError("--debounce and --replace need --unique, which names the key");
  }
  if (debounce === undefined) return { key, mode: replace === true ? "replace" : "one waiting" };
  if (replace === true)
    throw new UsageError("--debounce and --replace exclude each other: a debounced task replaces too");
  if (options.delay !== undefined || options.at !== undefined)
    throw new UsageError("--debounce says when the task starts; leave --delay and --at out");
  if (!(debounce >= 1_000 && debounce <= 30 * 86_400_000)) throw new UsageError("--debounce takes 1s to 30d");
  return { key, mode: "debounce", wait: { seconds: debounce / 1_000 } };
}

/** What became of a task beside others of its unique key; undefined: there was none. */
function tellUnique({ duplicateOf, replaced }: Published, what: string): string | undefined {
  if (replaced !== undefined) return `published ${what} in place of ${replaced}, which will not run`;
  return duplicateOf === undefined
    ? undefined
    : `nothing was published: ${duplicateOf} waits under this key and stands for it`;
}

/** What was published, or stands for it already. */
interface Answer {
  readonly published: Published;
  readonly earlier: EarlierUse | null;
}

/** What is printed of a task that is not stored, since the ledger knows its id. */
interface Unstored extends Pick<Published, "taskId" | "duplicate"> {
  readonly stream: null;
  readonly sequence: null;
}

function tell({ published, earlier }: Answer, what: string): string {
  const { taskId, duplicate, startAt } = published;
  const due = startAt === undefined ? "" : `, due ${startAt}`;
  const ofKey = tellUnique(published, `${what} as ${taskId}`);
  if (ofKey !== undefined) return `${ofKey}${due}`;
  return duplicate ? tellRepeat(taskId, earlier) : `published ${what} as ${taskId}${due}`;
}

async function publish(name: string, argument: string | undefined, options: PublishTaskOptions): Promise<void> {
  const { vo, id } = options;
  const task: PublishableTask =
    options.unchecked === true && (await findTask(name)) === undefined
      ? uncheckedTask(name, vo)
      : await taskNamed(name);
  const payload: JsonObject = await readPayload(argument);
  await checkCommand(task, { vo, payload });
  const at = whenOf(options);
  const unique = uniqueOf(options);
  const asked: AskedFor = { what: vo === undefined ? name : `${name} of ${vo}`, task: name, vo: vo ?? NO_VO, payload };
  const ended = await earlierInLedger(id, asked);
  const { middleware } = await ourExtensions();
  const answer = await withBroker(async (broker): Promise<Answer | undefined> => {
    checkActive(await readConfigurationAloud(broker), vo);
    if (ended !== undefined) return undefined;
    // The server's limit for a message is known only after connecting.
    const published = await refusingPayloads(() =>
      createPublisher(broker, { middleware }).publish(task, {
        payload,
        ...(vo === undefined ? {} : { vo }),
        ...(id === undefined ? {} : { taskId: id }),
        ...(at === undefined ? {} : { at }),
        ...(unique === undefined ? {} : { unique }),
        ...(options.keepResult === undefined ? {} : { keepResult: { seconds: options.keepResult / 1_000 } }),
      }),
    );
    return { published, earlier: (await earlierInStream(broker, published, asked)) ?? null };
  });
  if (answer !== undefined) {
    const { published, earlier } = answer;
    print({ task: name, vo: vo ?? null, ...published, earlier }, options, () => tell(answer, asked.what));
  } else if (ended !== undefined) {
    const { taskId, ...earlier } = ended;
    const unstored: Unstored = { taskId, stream: null, sequence: null, duplicate: true };
    print({ task: name, vo: vo ?? null, ...unstored, earlier }, options, () => tellRepeat(taskId, earlier));
  }
}

/** `muster task publish`. */
export function publishTaskCommand(): Command {
  return new Command("publish")
    .description("publish a task for any worker that knows it")
    .argument("<task>", "its name", parseTaskName)
    .argument("[payload]", "JSON, or - for standard input (default: {})")
    .option("--vo <vo>", "the task's VO, if the task is per VO", parseVoOrNone)
    .option("--id <id>", "its identity: publishing it again has no second effect (default: a random one)", parseTaskId)
    .option("--delay <length>", "start no earlier than this long from now: 90s, 10m, 2h, 60d", parseDelay)
    .option("--at <time>", "start no earlier than this time, e.g. 2027-01-31T12:00:00Z", parseInstant)
    .option(
      "--unique <key>",
      "let one task of this key wait: none is published while another one waits",
      parseUniqueKey,
    )
    .option("--replace", "with --unique: take the place of the one that waits")
    .option("--debounce <length>", "with --unique: replace it, and start this long after the last publish", parseDelay)
    .option("--keep-result <length>", "keep its result this long after its end: 90s, 10m, 2h, 30d at most", parseKeep)
    .option("--unchecked", "publish a task that this program does not know; its worker checks it")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(publish);
}
