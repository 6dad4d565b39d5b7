import { parseSchedule, printSchedule } from "../calendar/schedule_text.ts";
import type { Configuration, TaskSettings } from "../configuration/configuration.ts";

/** The schedules of a task: for one VO, or for all VOs that have none of their own. */
export interface ScheduleTarget {
  readonly task: string;
  readonly vo?: string | undefined;
}

type Override = Pick<TaskSettings, "enabled" | "schedule">;

function withOverride(now: Configuration, { task, vo }: ScheduleTarget, change: Override): Configuration {
  const settings = now.tasks[task] ?? {};
  const changed =
    vo === undefined
      ? { ...settings, ...change }
      : { ...settings, vos: { ...settings.vos, [vo]: { ...settings.vos?.[vo], ...change } } };
  return { ...now, tasks: { ...now.tasks, [task]: changed } };
}

/**
 * The configuration with another schedule for a task; with the definition's own again where `text` is undefined. For `changeConfiguration`.
 * Throws `InvalidScheduleError`.
 */
export function withSchedule(now: Configuration, target: ScheduleTarget, text: string | undefined): Configuration {
  return withOverride(now, target, { schedule: text === undefined ? undefined : printSchedule(parseSchedule(text)) });
}

/** The configuration with a task's schedules switched on or off. */
export function withScheduleSwitched(now: Configuration, target: ScheduleTarget, to: "on" | "off"): Configuration {
  return withOverride(now, target, { enabled: to === "on" });
}

/** What a configuration may say of one instance. What is left out stays as it is. */
export type InstanceChange = Partial<NonNullable<TaskSettings["instances"]>[string]>;

/** A named schedule of a task. */
export interface InstanceTarget {
  readonly task: string;
  readonly instance: string;
}

/** The configuration with a change of one instance, which it may add. For `changeConfiguration`. Throws `InvalidScheduleError`. */
export function withInstance(
  now: Configuration,
  { task, instance }: InstanceTarget,
  change: InstanceChange,
): Configuration {
  const settings = now.tasks[task] ?? {};
  const { schedule } = change;
  const printed = schedule === undefined ? {} : { schedule: printSchedule(parseSchedule(schedule)) };
  const next = { ...settings.instances?.[instance], ...change, ...printed };
  const instances = { ...settings.instances, [instance]: next };
  return { ...now, tasks: { ...now.tasks, [task]: { ...settings, instances } } };
}

/** The configuration without what it says of one instance. One that the definition has is then as the definition says. */
export function withoutInstance(now: Configuration, { task, instance }: InstanceTarget): Configuration {
  const settings = now.tasks[task];
  if (settings?.instances?.[instance] === undefined) return now;
  const { [instance]: _gone, ...instances } = settings.instances;
  return { ...now, tasks: { ...now.tasks, [task]: { ...settings, instances } } };
}
