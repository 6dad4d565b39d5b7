import { type Configuration, withVo } from "../configuration/configuration.ts";
import type { VoOption } from "../definition/publishable.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Per } from "../definition/traits.ts";
import { nextDue } from "../due/due.ts";
import { planSchedules } from "../due/planned_schedule.ts";
import { voFor } from "../definition/prepare.ts";
import { NO_VO } from "../format/names.ts";

/** `vo` is required by a task that is per VO, and taken by no other. */
export type DueTimesOptions<P extends Per = Per> = VoOption<P> & {
  /** Only later times count. */
  readonly after: Date;
  /** How many, default 1. */
  readonly times?: number;
  /** What is configured of this task, in place of its definition's: its schedule, or that it is switched off. Default: nothing. */
  readonly settings?: Configuration["tasks"][string];
};

/**
 * The next times at which a scheduler publishes a task, by its own arithmetic: an interval has the VO's steady offset, a cron its time zone.
 * Empty where it is switched off.
 *
 * Throws `TypeError` for a task without a schedule, `InvalidNameError`, and `InvalidScheduleError` for a schedule that cannot be used.
 *
 * ```ts
 * const [first] = dueTimes(GreetTask, { after: new Date("2026-03-29T00:59:00Z") });
 * ```
 */
export function dueTimes<P extends Per>(
  task: AnyTask & { readonly per: P },
  { vo, after, times = 1, settings }: DueTimesOptions<NoInfer<P>>,
): readonly Date[] {
  const configured = settings?.vos?.[vo ?? NO_VO]?.schedule ?? settings?.schedule;
  if (task.recurrence === undefined && configured === undefined) {
    throw new TypeError(
      `Cannot tell when ${task.name} is due: it has no schedule and comes on demand only; give one to its definition, or to dueTimes as settings`,
    );
  }
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
