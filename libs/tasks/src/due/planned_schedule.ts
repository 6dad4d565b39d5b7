import { parseSchedule, printSchedule } from "../definition/schedule_text.ts";
import type { Schedule } from "../definition/schedule.ts";
import type { AnyTask } from "../definition/task.ts";
import { activeVos, type Configuration } from "../configuration/configuration.ts";
import { checkVoName, NO_VO } from "../format/names.ts";
import { markerSubject, taskSubject } from "../format/subject.ts";
import { steadyOffsetMs } from "./due.ts";

/** The one instance that each periodic task has. Several named instances, each with a schedule and arguments, would be planned here too. */
export const DEFAULT_INSTANCE = "default";
/** Text in the marker of a schedule that is switched off, in place of the schedule. */
export const SWITCHED_OFF = "off";

/** One schedule in force: of one task, for one VO or for all, under one instance name. */
export interface PlannedSchedule {
  /** `<Task>/<vo>/<instance>`. An occurrence's task id adds `/<dueAt>`. */
  readonly key: string;
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly instance: string;
  /** Undefined where it is switched off. */
  readonly schedule: Schedule | undefined;
  /** The text in its marker: the schedule's, or `off`. */
  readonly text: string;
  /** See {@linkcode steadyOffsetMs}. */
  readonly offsetMs: number;
  readonly taskSubject: string;
  readonly markerSubject: string;
  /** The version of an occurrence's payload. */
  readonly payloadVersion: number;
}

/** The planned schedules by key. */
export type Plan = ReadonlyMap<string, PlannedSchedule>;

/** Called for each override that cannot be used, and for each VO name that cannot. */
export type ReportProblem = (about: string, cause: unknown) => void;

/** Parses each text once for all VOs that have it. */
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

/** The schedule that the configuration asks for, or `off`; undefined where the task has none. Throws `InvalidScheduleError`. */
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

function planned(
  { task: { name: task, payloadVersion }, vo }: Place,
  schedule: Schedule | typeof SWITCHED_OFF,
): PlannedSchedule {
  const instance = DEFAULT_INSTANCE;
  const key = `${task}/${vo}/${instance}`;
  const where = {
    key,
    task,
    vo,
    instance,
    taskSubject: taskSubject({ task, vo }),
    markerSubject: markerSubject({ task, vo }, instance),
    payloadVersion,
  };
  if (schedule === SWITCHED_OFF) return { ...where, schedule: undefined, text: SWITCHED_OFF, offsetMs: 0 };
  // A task that is not per VO shares its times with no VO, and people expect it on the grid's own points.
  const offsetMs = vo === NO_VO ? 0 : steadyOffsetMs(schedule, key);
  return { ...where, schedule, text: printSchedule(schedule), offsetMs };
}

/** Whether `vo` is a valid name. Somebody may have written another text into the configuration by hand. */
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
 * All schedules in force by the definitions and the configuration: for each active VO where a task is per VO, otherwise once.
 *
 * An override that cannot be used is reported and changes nothing. What was in force `before` stays, or else the definition's own. Objects
 * of `before` are reused where nothing changed.
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
