// Tested by tests/src/cli/cli_test.ts
// Tested by tests/src/cli/schedules_test.ts
import { InvalidScheduleError, type JsonObject, NO_VO, parseSchedule, printSchedule } from "@muster/tasks";
import {
  changeConfiguration,
  type Configuration,
  type ScheduleInForce,
  schedulesInForce,
  withInstance,
  withoutInstance,
  withSchedule,
  withScheduleSwitched,
} from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { UsageError } from "../run/failure.ts";
import { checkActive, taskNamed } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";
import { parseInstance, parseVo, several } from "../run/values.ts";
import { readPayload } from "../task/payload.ts";
import { checkInstance, checkInstanceThere, checkTarget } from "./target.ts";

/** What a change is about: a task, one VO's part of it, or one instance. */
interface TargetOptions extends OutputOptions {
  readonly vo?: string;
  readonly instance?: string;
  /** The instance of which alone is told what is in force. */
  readonly told?: string;
}

interface SetOptions extends OutputOptions {
  readonly vo?: readonly string[];
  readonly instance?: string;
  readonly payload?: string;
}

/** A change of the configuration by a command. */
interface ScheduleChange {
  /** The command's last word. */
  readonly verb: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  to(now: Configuration): Configuration;
}

/** Whether a schedule in force is one of those that were changed. */
function isOfTarget({ vo, instance, told = instance }: TargetOptions, each: ScheduleInForce): boolean {
  return each.vo === (vo ?? each.vo) && each.instance === (told ?? each.instance);
}

async function change(task: string, options: TargetOptions, { verb, detail, to }: ScheduleChange): Promise<void> {
  const { vo, instance } = options;
  const configuration = await withBroker(async (broker) => {
    const changed = await changeConfiguration(broker, (now) => {
      checkActive(now, vo);
      return to(now);
    });
    const target = `${task}${vo === undefined ? "" : ` of ${vo}`}${instance === undefined ? "" : `, instance ${instance}`}`;
    await audit(broker, { action: `schedule.${verb}`, target, ...(detail === undefined ? {} : { detail }) });
    return changed;
  });
  const settings = configuration.tasks[task];
  const ofVo = vo === undefined ? settings : settings?.vos?.[vo];
  const { enabled = true, schedule = null } = (instance === undefined ? ofVo : settings?.instances?.[instance]) ?? {};
  const inForce = schedulesInForce(await taskNamed(task), configuration).filter((each) => isOfTarget(options, each));
  const what = { task, vo: vo ?? null, ...(instance === undefined ? {} : { instance }) };
  print({ ...what, enabled, schedule, inForce }, options, () => {
    if (inForce.length > 0) return describeInForce(task, inForce);
    if (instance !== undefined) return `${task} has no instance ${instance} in force`;
    return `${task}: it is per VO and there is none yet, so nothing comes; see \`muster vo add\``;
  });
}

/** Largest number of VOs that one line names. */
const NAMED_VOS = 20;

/** One line for each schedule, with the VOs that have it: `MyCheckPilotsTask of lhcb, atlas: every 10s`. */
function describeInForce(task: string, inForce: readonly ScheduleInForce[]): string {
  const lines = [...Map.groupBy(inForce, ({ instance, schedule }) => `${instance} ${schedule}`).values()].map(
    (those) => {
      const [{ instance, schedule } = { instance: "default", schedule: "off" }] = those;
      const vos = those.map(({ vo }) => vo).filter((vo) => vo !== NO_VO);
      const more = vos.length > NAMED_VOS ? ` and ${vos.length - NAMED_VOS} more` : "";
      const whose = vos.length === 0 ? "" : ` of ${vos.slice(0, NAMED_VOS).join(", ")}${more}`;
      const which = instance === "default" ? "" : `, instance ${instance}`;
      return `${task}${whose}${which}: ${schedule === "off" ? "switched off" : schedule}`;
    },
  );
  return lines.join("\n");
}

/** Joins the words that the shell made of the schedule's text. Throws {@linkcode UsageError} if the text is not a schedule. */
function scheduleText(words: readonly string[]): string {
  const text = words.join(" ");
  if (words.length > 1 && words[0] !== "every") {
    throw new UsageError(
      `Cannot read the schedule: it came as ${words.length} words; put it into quotes, as "cron 0 6 * * *", ` +
        "lest the shell make names of files of its stars",
    );
  }
  try {
    return printSchedule(parseSchedule(text));
  } catch (error) {
    if (error instanceof InvalidScheduleError) throw new UsageError(error.message);
    throw error;
  }
}

/** Gives a task's own schedule another text, for all VOs or for one. */
async function setOwn(task: string, schedule: string, { vo: vos = [], payload, json }: SetOptions): Promise<void> {
  const [vo, ...more] = vos;
  if (more.length > 0) throw new UsageError("Name one VO; only an instance takes several, see --instance");
  if (payload !== undefined) throw new UsageError("--payload needs --instance: a task's own schedule has no arguments");
  await checkTarget(task, vo);
  const options = { ...(vo === undefined ? {} : { vo }), told: "default", ...(json === undefined ? {} : { json }) };
  const to = (now: Configuration) => withSchedule(now, { task, vo }, schedule);
  await change(task, options, { verb: "set", detail: { schedule }, to });
}

async function setInstance(
  task: string,
  instance: string,
  given: { schedule: string; options: SetOptions },
): Promise<void> {
  const { schedule, options } = given;
  const { vo: vos, json } = options;
  const definition = await checkTarget(task, vos?.[0]);
  const payload: JsonObject | undefined =
    options.payload === undefined ? undefined : await readPayload(options.payload);
  const next = {
    schedule,
    // With its version, so that a later version of the task migrates it.
    ...(payload === undefined ? {} : { payload, payloadVersion: definition.payloadVersion }),
    ...(vos === undefined ? {} : { vos: [...new Set(vos)] }),
  };
  if (payload !== undefined) checkInstance(definition, instance, next);
  const to = (now: Configuration) => {
    for (const vo of vos ?? []) checkActive(now, vo);
    const before = now.tasks[task]?.instances?.[instance];
    // What was configured before stays where nothing else is given.
    checkInstance(definition, instance, { ...before, ...next } as typeof next);
    return withInstance(now, { task, instance }, next);
  };
  await change(task, { instance, ...(json === undefined ? {} : { json }) }, { verb: "set", detail: next, to });
}

function targeted(name: string, description: string): Command {
  const everywhere = `muster schedule ${name} MySubmitPilotsTask`;
  return new Command(name)
    .description(description)
    .argument("<task>")
    .option("--vo <vo>", "only for this VO", parseVo)
    .option("--instance <name>", "only this instance, for all its VOs", parseInstance)
    .option("--json", "print JSON")
    .addHelpText("after", examples(everywhere, `${everywhere} --vo lhcb`));
}

/** What changes a whole task, or one VO's part of it, and what changes one instance. */
interface Changes {
  /** The command's last word. */
  readonly verb: string;
  ofTask(now: Configuration, target: { readonly task: string; readonly vo: string | undefined }): Configuration;
  ofInstance(now: Configuration, target: { readonly task: string; readonly instance: string }): Configuration;
}

async function changeTarget(task: string, options: TargetOptions, changes: Changes): Promise<void> {
  const { vo, instance } = options;
  const definition = await checkTarget(task, vo);
  const { verb } = changes;
  if (instance === undefined) {
    return await change(task, options, { verb, to: (now) => changes.ofTask(now, { task, vo }) });
  }
  if (vo !== undefined)
    throw new UsageError("--instance and --vo exclude each other here: give the VOs with `schedule set`, or pause it");
  const to = (now: Configuration) => {
    checkInstanceThere(definition, instance, now);
    return changes.ofInstance(now, { task, instance });
  };
  await change(task, options, { verb, to });
}

function setCommand(): Command {
  return new Command("set")
    .description("give a task another schedule than its definition's, or a named one with a payload")
    .argument("<task>")
    .argument(
      "<schedule...>",
      'in quotes: "every 30s", "cron 0 6 * * * Europe/Zurich" or "rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6"',
    )
    .option(
      "--vo <vo>",
      "only for this VO; with --instance the VOs that have it, may be given several times",
      several(parseVo),
    )
    .option("--instance <name>", "the named schedule that is added or changed", parseInstance)
    .option("--payload <json>", "what occurrences of the instance carry; - for standard input")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...SET))
    .action(async (task: string, words: readonly string[], options: SetOptions) => {
      const { instance } = options;
      await checkTarget(task, options.vo?.[0]);
      const schedule = scheduleText(words);
      if (instance === undefined) await setOwn(task, schedule, options);
      else await setInstance(task, instance, { schedule, options });
    });
}

const SET = [
  'muster schedule set MyCheckPilotsTask "every 10s" --vo lhcb',
  'muster schedule set MyPilotReportTask "rrule FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18 Europe/Zurich"',
  `muster schedule set MySubmitPilotsTask "every 2h" --instance SubmitPilotsCERN --payload '{"ceRegex":".*[.]cern[.]ch"}' --vo lhcb`,
];

/** `muster schedule set|reset|enable|disable`. */
export function changeScheduleCommands(): readonly Command[] {
  const reset = targeted(
    "reset",
    "take this override back: a VO goes back to the task's schedule, a task or an instance to its definition's",
  ).action((task: string, options: TargetOptions) =>
    changeTarget(task, options, {
      verb: "reset",
      ofTask: (now, target) => withSchedule(now, target, undefined),
      ofInstance: withoutInstance,
    }),
  );
  const enable = targeted("enable", "switch schedules on again").action((task: string, options: TargetOptions) =>
    changeTarget(task, options, {
      verb: "enable",
      ofTask: (now, target) => withScheduleSwitched(now, target, "on"),
      ofInstance: (now, target) => withInstance(now, target, { enabled: true }),
    }),
  );
  const disable = targeted("disable", "switch schedules off; what was missed meanwhile does not come").action(
    (task: string, options: TargetOptions) =>
      changeTarget(task, options, {
        verb: "disable",
        ofTask: (now, target) => withScheduleSwitched(now, target, "off"),
        ofInstance: (now, target) => withInstance(now, target, { enabled: false }),
      }),
  );
  return [setCommand(), reset, enable, disable];
}
