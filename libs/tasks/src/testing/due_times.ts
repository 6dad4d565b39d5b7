import { type Configuration, withVo } from "../configuration/configuration.ts";
import type { VoOption } from "../definition/publishable.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Per } from "../definition/traits.ts";
import { nextDue } from "../due/due.ts";
import { DEFAULT_INSTANCE, isNamed } from "../due/instances.ts";
import { planSchedules } from "../due/planned_schedule.ts";
import { voFor } from "../definition/prepare.ts";
import { NO_VO } from "../format/names.ts";
import { comingTimes } from "../schedule/schedule_table.ts";

/** `vo` is required by a task that is per VO, and taken by no other. */
export type DueTimesOptions<P extends Per = Per> = VoOption<P> & {
  /** Which of its named schedules; default: its own `schedule`. */
  readonly instance?: string;
  /** Only later times count. */
  readonly after: Date;
  /** How many, default 1. */
  readonly times?: number;
  /** What is configured of this task, in place of its definition's: its schedule, or that it is switched off. Default: nothing. */
  readonly settings?: Configuration["tasks"][string];
};

/**
 * The next times at which a scheduler publishes a task, by its own arithmetic: an interval has the VO's steady offset, a cron its time zone.
 * Empty where it is switched off, and fewer where a rule ends.
 *
 * Throws `TypeError` for a task without such a schedule, `InvalidNameError`, and `InvalidScheduleError` for a schedule that cannot be used.
 *
 * ```ts
 * const [first] = dueTimes(GreetTask, { after: new Date("2026-03-29T00:59:00Z") });
 * ```
 */
export function dueTimes<P extends Per>(
  task: AnyTask & { readonly per: P },
  { vo, instance = DEFAULT_INSTANCE, after, times = 1, settings }: DueTimesOptions<NoInfer<P>>,
): readonly Date[] {
  const none: Configuration = { vos: {}, tasks: settings === undefined ? {} : { [task.name]: settings } };
  if (!isNamed({ task, vo: vo ?? NO_VO, instance, configuration: none })) {
    const which = instance === DEFAULT_INSTANCE ? "schedule and comes on demand only" : `instance "${instance}" there`;
    throw new TypeError(
      `Cannot tell when ${task.name} is due: it has no ${which}; give one to its definition, or to dueTimes as settings`,
    );
  }
  const of = voFor(task, vo);
  const configuration = vo === undefined ? none : withVo(none, of);
  const problems: unknown[] = [];
  const plan = planSchedules({ tasks: [task], configuration, before: new Map() }, (_, cause) => problems.push(cause));
  if (problems.length > 0) throw problems[0];
  const planned = plan.get(`${task.name}/${of}/${instance}`);
  if (planned?.schedule === undefined) return [];
  const grid = { schedule: planned.schedule, offsetMs: planned.offsetMs };
  return comingTimes(grid, nextDue(grid, after.getTime()), times);
}
