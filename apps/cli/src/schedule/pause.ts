import { type Broker, NO_VO } from "@muster/tasks";
import { pauseSchedule, type PauseTarget, resumeSchedule, scheduleTable } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { audit } from "../run/audit.ts";
import { UsageError } from "../run/failure.ts";
import { checkActive } from "../run/names.ts";
import { readConfigurationAloud, withBroker } from "../run/servers.ts";
import { parseInstance, parseReason, parseVo } from "../run/values.ts";
import { whoRunsThis } from "../run/who.ts";
import { checkTarget } from "./target.ts";

interface PauseOptions extends OutputOptions {
  readonly vo?: string;
  readonly instance?: string;
  readonly reason?: string;
}

async function targetOf(task: string, { vo, instance }: PauseOptions): Promise<PauseTarget> {
  const { per } = await checkTarget(task, vo);
  if (instance === undefined || vo !== undefined) return { task, vo, instance };
  if (per === "vo") throw new UsageError("--instance needs --vo");
  return { task, vo: NO_VO, instance };
}

/** Throws unless this schedule exists. A pause of an absent schedule would be stored without any effect. */
async function checkSchedule(broker: Broker, { task, vo, instance = "default" }: PauseTarget): Promise<void> {
  if (vo === undefined) return;
  const configuration = await readConfigurationAloud(broker);
  checkActive(configuration, vo);
  const rows = await scheduleTable(broker, { tasks: await knownTasks(), configuration });
  const instances = rows.filter((row) => row.task === task && row.vo === vo).map((row) => row.instance);
  if (instances.includes(instance)) return;
  const known = instances.length === 0 ? "there is none" : `there are ${instances.join(", ")}`;
  throw new Error(`${task} of ${vo} has no schedule instance ${JSON.stringify(instance)}; ${known}`);
}

function nameOf({ task, vo, instance }: PauseTarget): string {
  return `${task}${vo === undefined || vo === NO_VO ? "" : ` of ${vo}`}${instance === undefined ? "" : `, instance ${instance}`}`;
}

const EXAMPLES = {
  pause: [
    'muster schedule pause MySubmitPilotsTask --reason "maintenance"',
    "muster schedule pause MyCheckPilotsTask --vo lhcb",
  ],
  resume: [
    "muster schedule resume MySubmitPilotsTask",
    "muster schedule resume MyCheckPilotsTask --vo lhcb --instance default",
  ],
} as const;

function pauseCommand(verb: "pause" | "resume", description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<task>")
    .option("--vo <vo>", "only for this VO", parseVo)
    .option("--instance <name>", "only this instance (default: default)", parseInstance)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES[verb]));
}

/** `muster schedule pause|resume`. */
export function pauseCommands(): readonly Command[] {
  const pause = pauseCommand("pause", "publish nothing until resumed; the newest missed time comes right after")
    .option("--reason <text>", "shown by `muster schedule list` while it lasts", parseReason)
    .action(async (task: string, options: PauseOptions) => {
      const target = await targetOf(task, options);
      await withBroker(async (broker) => {
        await checkSchedule(broker, target);
        await pauseSchedule(broker, target, {
          by: whoRunsThis(),
          ...(options.reason === undefined ? {} : { reason: options.reason }),
        });
        const detail = options.reason === undefined ? {} : { detail: { reason: options.reason } };
        await audit(broker, { action: "schedule.pause", target: nameOf(target), ...detail });
      });
      print({ ...target, paused: true }, options, () => `paused ${nameOf(target)}`);
    });
  const resume = pauseCommand("resume", "take exactly this pause back").action(
    async (task: string, options: PauseOptions) => {
      const target = await targetOf(task, options);
      const wasPaused = await withBroker(async (broker) => {
        const was = await resumeSchedule(broker, target);
        if (was) await audit(broker, { action: "schedule.resume", target: nameOf(target) });
        return was;
      });
      print({ ...target, paused: false, wasPaused }, options, () =>
        wasPaused ? `resumed ${nameOf(target)}` : `${nameOf(target)} had no pause of its own; nothing was changed`,
      );
    },
  );
  return [pause, resume];
}
