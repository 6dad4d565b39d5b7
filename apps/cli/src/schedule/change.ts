// Tested by tests/src/cli/cli_test.ts
// Tested by tests/src/cli/telling_test.ts
import { InvalidScheduleError, NO_VO, parseSchedule, printSchedule } from "@muster/tasks";
import {
  changeConfiguration,
  type Configuration,
  type ScheduleInForce,
  schedulesInForce,
  withSchedule,
  withScheduleSwitched,
} from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { UsageError } from "../run/failure.ts";
import { checkActive, taskNamed } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";
import { parseVo } from "../run/values.ts";

interface TargetOptions extends OutputOptions {
  readonly vo?: string;
}

/** Throws unless the task is periodic and can have this VO. */
export async function checkTarget(name: string, vo: string | undefined): Promise<void> {
  const task = await taskNamed(name);
  if (task.recurrence === undefined) throw new UsageError(`${name} is not periodic; it has no schedule`);
  if (vo !== undefined && task.per === "all") throw new UsageError(`${name} is not per VO; leave --vo out`);
}

async function change(task: string, options: TargetOptions, to: (now: Configuration) => Configuration): Promise<void> {
  const { vo } = options;
  await checkTarget(task, vo);
  const configuration = await withBroker((broker) =>
    changeConfiguration(broker, (now) => {
      checkActive(now, vo);
      return to(now);
    }),
  );
  const { tasks } = configuration;
  const settings = vo === undefined ? tasks[task] : tasks[task]?.vos?.[vo];
  const { enabled = true, schedule = null } = settings ?? {};
  const inForce = schedulesInForce(await taskNamed(task), configuration).filter((each) => each.vo === (vo ?? each.vo));
  print({ task, vo: vo ?? null, enabled, schedule, inForce }, options, () =>
    inForce.length === 0
      ? `${task}: it is per VO and there is none yet, so nothing comes; see \`muster vo add\``
      : describeInForce(task, inForce),
  );
}

/** Largest number of VOs that one line names. */
const NAMED_VOS = 20;

/** One line for each schedule, with the VOs that have it: `MyCheckPilotsTask of lhcb, atlas: every 10s`. */
function describeInForce(task: string, inForce: readonly ScheduleInForce[]): string {
  const lines = [...Map.groupBy(inForce, ({ schedule }) => schedule)].map(([schedule, those]) => {
    const vos = those.map(({ vo }) => vo).filter((vo) => vo !== NO_VO);
    const more = vos.length > NAMED_VOS ? ` and ${vos.length - NAMED_VOS} more` : "";
    const whose = vos.length === 0 ? "" : ` of ${vos.slice(0, NAMED_VOS).join(", ")}${more}`;
    return `${task}${whose}: ${schedule === "off" ? "switched off" : schedule}`;
  });
  return lines.join("\n");
}

/** Joins the words that the shell made of the schedule's text. Throws {@linkcode UsageError} if the text is not a schedule. */
function scheduleText(words: readonly string[]): string {
  const text = words.join(" ");
  if (words.length > 1 && words[0] !== "every") {
    throw new UsageError(
      `Cannot read the schedule: it came as ${words.length} words; put it into quotes, e.g. "cron 0 6 * * *"; ` +
        "without them the shell replaces each star by names of files",
    );
  }
  try {
    return printSchedule(parseSchedule(text));
  } catch (error) {
    if (error instanceof InvalidScheduleError) throw new UsageError(error.message);
    throw error;
  }
}

function targeted(name: string, description: string): Command {
  const everywhere = `muster schedule ${name} MySubmitPilotsTask`;
  return new Command(name)
    .description(description)
    .argument("<task>")
    .option("--vo <vo>", "only for this VO", parseVo)
    .option("--json", "print JSON")
    .addHelpText("after", examples(everywhere, `${everywhere} --vo lhcb`));
}

const SET = [
  'muster schedule set MyCheckPilotsTask "every 10s" --vo lhcb',
  'muster schedule set MyPilotReportTask "cron 0 6 * * * Europe/Zurich"',
];

/** `muster schedule set|reset|enable|disable`. */
export function changeScheduleCommands(): readonly Command[] {
  const set = new Command("set")
    .description("give a task another schedule than its definition's")
    .argument("<task>")
    .argument("<schedule...>", '"every 30s", or "cron 0 6 * * * Europe/Zurich" (zone optional, default UTC), in quotes')
    .option("--vo <vo>", "only for this VO", parseVo)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...SET))
    .action(async (task: string, words: readonly string[], options: TargetOptions) => {
      await checkTarget(task, options.vo);
      const text = scheduleText(words);
      await change(task, options, (now) => withSchedule(now, { task, vo: options.vo }, text));
    });
  const reset = targeted(
    "reset",
    "take this override back: a VO goes back to the task's schedule, a task to its definition's",
  ).action((task: string, options: TargetOptions) =>
    change(task, options, (now) => withSchedule(now, { task, vo: options.vo }, undefined)),
  );
  const enable = targeted("enable", "switch a schedule on again").action((task: string, options: TargetOptions) =>
    change(task, options, (now) => withScheduleSwitched(now, { task, vo: options.vo }, "on")),
  );
  const disable = targeted("disable", "switch a schedule off; what was missed meanwhile does not come").action(
    (task: string, options: TargetOptions) =>
      change(task, options, (now) => withScheduleSwitched(now, { task, vo: options.vo }, "off")),
  );
  return [set, reset, enable, disable];
}
