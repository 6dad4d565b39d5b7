import { byRun, runLog } from "@muster/app";
import { type Broker, callTask, NO_VO } from "@muster/tasks";
import { listQueuePauses, pausesHolding } from "@muster/tasks/operate";
import { Command } from "commander";
import { count, type OutputOptions, print } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { nameOfTarget, resumeCommand } from "../queue/target.ts";
import { complain } from "../run/failure.ts";
import { ourExtensions } from "../run/extensions.ts";
import { checkActive, taskNamed } from "../run/names.ts";
import { readConfigurationAloud, withBoth } from "../run/servers.ts";
import { parseVoOrNone } from "../run/values.ts";
import { checkCommand, readPayload } from "./payload.ts";

const EXAMPLES = `
Examples:
  muster task call MyPilotReportTask
  muster task call MyPilotTask '{"ceName":"ce01.example.org"}' --vo lhcb --json
  muster task call MyCheckPilotsTask --vo lhcb --paused`;

interface CallTaskOptions extends OutputOptions {
  readonly vo?: string;
  readonly paused?: true;
}

/** Throws where the task is paused, with who and why. */
async function checkNotPaused(broker: Broker, task: string, vo: string | undefined): Promise<void> {
  const [pause] = pausesHolding(await listQueuePauses(broker), task, vo ?? NO_VO);
  if (pause === undefined) return;
  const what = `${nameOfTarget(pause.target)} (${describePause(pause.note)})`;
  const ways = `run it all the same with --paused, or \`${resumeCommand(pause.target)}\``;
  throw new Error(`Cannot call ${task}: somebody has paused ${what}; ${ways}`);
}

async function call(name: string, argument: string | undefined, options: CallTaskOptions): Promise<void> {
  const task = await taskNamed(name);
  const { deps, middleware } = await ourExtensions();
  const payload = await readPayload(argument);
  await checkCommand(task, { vo: options.vo, payload });
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("The call was interrupted; what it had begun is rolled back"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const called = await withBoth(async ({ broker, database, nats, highestFence }) => {
    const configuration = await readConfigurationAloud(broker);
    checkActive(configuration, options.vo);
    if (!options.paused) await checkNotPaused(broker, name, options.vo);
    return await callTask({
      ...{ broker, nats, highestFence, configuration, task, payload, vo: options.vo },
      ledger: database.ledger,
      middleware: [runLog, ...middleware],
      deps: deps({ log: byRun((message, fields) => complain(`${message} ${JSON.stringify(fields)}`)) }),
      signal: interrupted.signal,
      onId: (id) => complain(`calls ${name} as ${id}; Ctrl-C or "muster task cancel ${id}" ends it`),
    });
  });
  print(called, options, () => {
    const { result, spawned } = called;
    const children = spawned.length === 0 ? [] : [`and published ${count(spawned.length, "child task")}`];
    return [JSON.stringify(result, null, 2), ...children].join("\n");
  });
}

/** `muster task call`. */
export function callTaskCommand(): Command {
  return new Command("call")
    .description("run one task in this process, under its real locks, and print its result; limiters are skipped")
    .argument("<task>", "its name")
    .argument("[payload]", "JSON, or - for standard input (default: {})")
    .option("--vo <vo>", "the task's VO, if the task is per VO", parseVoOrNone)
    .option("--paused", "run it also where it, or its VO, is paused")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(call);
}
