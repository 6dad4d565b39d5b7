import type { AnyTask } from "../definition/task.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { type PlannedSchedule, planSchedules } from "../due/planned_schedule.ts";

/** One schedule as the configuration and the definition make it. */
export interface ScheduleInForce extends Pick<PlannedSchedule, "vo" | "instance"> {
  /** Its text, such as `every 5s`; `off` where it is switched off. */
  readonly schedule: string;
}

/**
 * The schedules of one task under a configuration; none where the task is per VO and there is no VO.
 *
 * Where an override cannot be used, the definition's own schedule counts.
 */
export function schedulesInForce(task: AnyTask, configuration: Configuration): readonly ScheduleInForce[] {
  const plan = planSchedules({ tasks: [task], configuration, before: new Map() }, () => {});
  return [...plan.values()].map(({ vo, instance, text }) => ({ vo, instance, schedule: text }));
}
