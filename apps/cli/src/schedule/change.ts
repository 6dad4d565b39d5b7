import { changeConfiguration, type Configuration, withSchedule, withScheduleSwitched } from "@muster/tasks";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { UsageError } from "../run/failure.ts";
import { checkActive, taskNamed } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";

interface TargetOptions extends OutputOptions {
  readonly vo?: string;
}

/** Throws unless the task is periodic and has such a VO. */
export function checkTarget(name: string, vo: string | undefined): void {
  const task = taskNamed(name);
  if (task.recurrence === undefined) throw new UsageError(`${name} is not periodic; it has no schedule`);
  if (vo !== undefined && task.per === "all") throw new UsageError(`${name} is not per VO; leave --vo out`);
}

async function change(task: string, options: TargetOptions, to: (now: Configuration) => Configuration): Promise<void> {
  const { vo } = options;
  checkTarget(task, vo);
  const { tasks } = await withBroker((broker) =>
    changeConfiguration(broker, (now) => {
      checkActive(now, vo);
      return to(now);
    }),
  );
  const settings = vo === undefined ? tasks[task] : tasks[task]?.vos?.[vo];
  const { enabled = true, schedule = null } = settings ?? {};
  print({ task, vo: vo ?? null, enabled, schedule }, options, () => {
    const what = `${task}${vo === undefined ? "" : ` of ${vo}`}`;
    return enabled ? `${what}: ${schedule ?? "the schedule of its definition"}` : `${what}: switched off`;
  });
}

function targeted(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<task>")
    .option("--vo <vo>", "only for this VO")
    .option("--json", "print JSON");
}

/** `muster schedule set|reset|enable|disable`. */
export function changeScheduleCommands(): readonly Command[] {
  const set = new Command("set")
    .description("give a task another schedule than its definition's")
    .argument("<task>")
    .argument("<schedule>", '"every 30s", or "cron 0 6 * * * Europe/Zurich" (zone optional, default UTC)')
    .option("--vo <vo>", "only for this VO")
    .option("--json", "print JSON")
    .action((task: string, text: string, options: TargetOptions) =>
      change(task, options, (now) => withSchedule(now, { task, vo: options.vo }, text)),
    );
  const reset = targeted("reset", "go back to the definition's schedule").action(
    (task: string, options: TargetOptions) =>
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
