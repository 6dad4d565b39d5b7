// Tested by tests/src/cli/schedules_test.ts
import { scheduleTable, triggerSchedule } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { ourExtensions } from "../run/extensions.ts";
import { checkActive, checkVoFits } from "../run/names.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseInstance, parseVo } from "../run/values.ts";
import { checkTarget } from "./target.ts";

interface TriggerOptions extends OutputOptions {
  readonly vo?: string;
  readonly instance: string;
}

async function trigger(name: string, options: TriggerOptions): Promise<void> {
  const { vo, instance } = options;
  const task = await checkTarget(name, vo);
  checkVoFits(task, vo);
  const { middleware } = await ourExtensions();
  const { triggered, state } = await withBroker(async (broker) => {
    const configuration = await readConfigurationAloud(broker);
    checkActive(configuration, vo);
    const rows = await scheduleTable(broker, { tasks: [task], configuration });
    const triggered = await triggerSchedule(broker, { task, configuration, vo, instance, middleware });
    const target = `${name}${vo === undefined ? "" : ` of ${vo}`}`;
    await audit(broker, { action: "schedule.trigger", target, detail: { instance, taskId: triggered.taskId } });
    const row = rows.find((each) => each.vo === (vo ?? "_") && each.instance === instance);
    return { triggered, state: row?.state ?? "on" };
  });
  const { taskId, waiting } = triggered;
  print({ task: name, vo: vo ?? null, instance, taskId, waiting, state }, options, () => {
    const which = instance === "default" ? "" : `, instance ${instance},`;
    const whose = vo === undefined ? "" : ` of ${vo}`;
    const before =
      waiting === 0
        ? ""
        : `; ${count(waiting, "task")} of ${name}${whose} still ${waiting === 1 ? "waits or runs" : "wait or run"} before it`;
    const rests =
      state === "on"
        ? ""
        : `; its schedule is ${state === "off" ? "switched off" : "paused"}, and this one runs all the same`;
    return `triggered ${name}${whose}${which} as ${taskId}${before}${rests}`;
  });
}

const EXAMPLES = [
  "muster schedule trigger MyCheckPilotsTask --vo lhcb",
  "muster schedule trigger MySubmitPilotsTask --vo lhcb --instance SubmitPilotsCERN",
  "muster schedule trigger MyPilotReportTask",
];

/** `muster schedule trigger`. */
export function triggerCommand(): Command {
  return new Command("trigger")
    .description("publish a task as its schedule would, now and once; the schedule goes on as before")
    .argument("<task>")
    .option("--vo <vo>", "the VO that it is for, where the task is per VO", parseVo)
    .option("--instance <name>", "the named schedule whose payload it has", parseInstance, "default")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES))
    .action(trigger);
}
