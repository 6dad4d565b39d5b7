import { type Configuration, withVo } from "../configuration/configuration.ts";
import type { AnyTask } from "../definition/task.ts";
import { nextDue } from "../due/due.ts";
import { planSchedules } from "../due/planned_schedule.ts";
import { voFor } from "../publish/publisher.ts";

export interface DueTimesOptions {
  /** Required by a task that is per VO, and by no other. */
  readonly vo?: string;
  /** Only later times count. */
  readonly after: Date;
  /** How many, default 1. */
  readonly times?: number;
  /** What is configured of this task, in place of its definition's: its schedule, or that it is switched off. Default: nothing. */
  readonly settings?: Configuration["tasks"][string];
}

/**
 * The next times at which a scheduler publishes a task, by its own arithmetic: an interval has the VO's steady offset, a cron its time zone.
 * Empty where it is on demand only, or switched off. Throws `InvalidNameError`, and `InvalidScheduleError` for a schedule that cannot be used.
 *
 * ```ts
 * const [first] = dueTimes(GreetTask, { after: new Date("2026-03-29T00:59:00Z") });
 * ```
 */
export function dueTimes(task: AnyTask, { vo, after, times = 1, settings }: DueTimesOptions): readonly Date[] {
  const of = voFor(task, vo);
  const none: Configuration = { vos: {}, tasks: settings === undefined ? {} : { [task.name]: settings } };
  const configuration = vo === undefined ? none : withVo(none, of);
  const problems: unknown[] = [];
  const plan = planSchedules({ tasks: [task], configuration, before: new Map() }, (_, cause) => problems.push(cause));
  if (problems.length > 0) throw problems[0];
  const [planned] = plan.values();
  if (planned?.schedule === undefined) return [];
  const grid = { schedule: planned.schedule, offsetMs: planned.offsetMs };
  const due: Date[] = [];
  while (due.length < times) due.push(new Date(nextDue(grid, (due.at(-1) ?? after).getTime())));
  return due;
}
