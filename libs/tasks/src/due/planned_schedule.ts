import { parseSchedule, printSchedule } from "../definition/schedule_text.ts";
import type { Schedule } from "../definition/schedule.ts";
import type { AnyTask } from "../definition/task.ts";
import { activeVos, type Configuration } from "../configuration/configuration.ts";
import { checkVoName, NO_VO } from "../format/names.ts";
import { markerSubject, taskSubject } from "../format/subject.ts";
import { steadyOffsetMs } from "./due.ts";

/** The one instance that each periodic task has. Several named ones, each with a schedule and arguments, would be planned beside it. */
export const DEFAULT_INSTANCE = "default";
/** What the marker of a schedule that is switched off says in place of its schedule. */
export const SWITCHED_OFF = "off";

/** One schedule in force: of one task, for one VO or for all, and one named instance. */
export interface PlannedSchedule {
  /** `<Task>/<vo>/<instance>`; an occurrence's task id goes on with `/<dueAt>`. */
  readonly key: string;
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly instance: string;
  /** Undefined where it is switched off. */
  readonly schedule: Schedule | undefined;
  /** As its marker names it: the schedule's text, or `off`. */
  readonly text: string;
  /** {@linkcode steadyOffsetMs}. */
  readonly offsetMs: number;
  readonly taskSubject: string;
  readonly markerSubject: string;
}

/** By key. */
export type Plan = ReadonlyMap<string, PlannedSchedule>;

/** Told of each override that cannot be used, and of each VO whose name cannot. */
export type ReportProblem = (about: string, cause: unknown) => void;

/** Reads a text once for all VOs that have it. */
function createReader(): (text: string) => Schedule {
  const read = new Map<string, Schedule>();
  return (text) => {
    const schedule = read.get(text) ?? parseSchedule(text);
    read.set(text, schedule);
    return schedule;
  };
}

interface Place {
  readonly task: AnyTask;
  readonly vo: string;
  readonly configuration: Configuration;
}

/** The schedule that the configuration asks for, `off`, or undefined where the task has none. Throws `InvalidScheduleError`. */
function scheduleOf(
  { task, vo, configuration }: Place,
  read: (text: string) => Schedule,
): Schedule | typeof SWITCHED_OFF | undefined {
  const settings = configuration.tasks[task.name];
  const ofVo = settings?.vos?.[vo];
  const text = ofVo?.schedule ?? settings?.schedule;
  const schedule = text === undefined ? task.recurrence : read(text);
  const enabled = ofVo?.enabled ?? settings?.enabled ?? true;
  return schedule !== undefined && !enabled ? SWITCHED_OFF : schedule;
}

function planned({ task: { name: task }, vo }: Place, schedule: Schedule | typeof SWITCHED_OFF): PlannedSchedule {
  const instance = DEFAULT_INSTANCE;
  const key = `${task}/${vo}/${instance}`;
  const where = {
    key,
    task,
    vo,
    instance,
    taskSubject: taskSubject({ task, vo }),
    markerSubject: markerSubject({ task, vo }, instance),
  };
  if (schedule === SWITCHED_OFF) return { ...where, schedule: undefined, text: SWITCHED_OFF, offsetMs: 0 };
  // One task that is not per VO has nobody to keep clear of, and people expect it on the grid's own points.
  const offsetMs = vo === NO_VO ? 0 : steadyOffsetMs(schedule, key);
  return { ...where, schedule, text: printSchedule(schedule), offsetMs };
}

/** A name that was written by hand into the configuration may be none. */
function isUsable(vo: string, report: ReportProblem): boolean {
  try {
    checkVoName(vo);
    return true;
  } catch (cause) {
    report(vo, cause);
    return false;
  }
}

/**
 * All schedules in force by the definitions and the configuration: per-VO tasks for each active VO, others once.
 *
 * An override that cannot be used is reported and changes nothing: what was in force `before` stays, else the definition's own.
 * Objects of `before` are kept where nothing changed.
 */
export function planSchedules(
  { tasks, configuration, before }: { tasks: readonly AnyTask[]; configuration: Configuration; before: Plan },
  report: ReportProblem,
): Plan {
  const read = createReader();
  const plan = new Map<string, PlannedSchedule>();
  const vos = activeVos(configuration).filter((vo) => isUsable(vo, report));

  function add(place: Place): void {
    const { task, vo } = place;
    const last = before.get(`${task.name}/${vo}/${DEFAULT_INSTANCE}`);
    let next: PlannedSchedule | undefined;
    try {
      const schedule = scheduleOf(place, read);
      next = schedule && planned(place, schedule);
    } catch (cause) {
      report(`${task.name}/${vo}`, cause);
      next = last ?? (task.recurrence && planned(place, task.recurrence));
    }
    if (next !== undefined) plan.set(next.key, last?.text === next.text ? last : next);
  }

  for (const task of tasks) {
    for (const vo of task.per === "vo" ? vos : [NO_VO]) add({ task, vo, configuration });
  }
  return plan;
}
