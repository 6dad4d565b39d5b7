import { parseSchedule, printSchedule } from "../calendar/schedule_text.ts";
import type { Missed, Overlap } from "../definition/recurrence.ts";
import type { Schedule } from "../calendar/schedule.ts";
import type { AnyTask } from "../definition/task.ts";
import { activeVos, type Configuration } from "../configuration/configuration.ts";
import { checkVoName, NO_VO } from "../format/names.ts";
import { markerSubject, taskSubject } from "../format/subject.ts";
import { steadyOffsetMs } from "./due.ts";
import {
  type InForce,
  inForceAt,
  inForceByDefinition,
  InstanceRefusedError,
  instanceNames,
  type Place,
} from "./instances.ts";

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
  /** Undefined where it is switched off, or has ended. */
  readonly schedule: Schedule | undefined;
  /** The text in its marker: the schedule's, or `off`. */
  readonly text: string;
  /** See {@linkcode steadyOffsetMs}. */
  readonly offsetMs: number;
  /** What its occurrences carry, JSON. */
  readonly body: string;
  readonly missed: Missed;
  readonly overlap: Overlap;
  /** Whether nobody names it any more: its last occurrence is put away, and no more comes. */
  readonly isEnded: boolean;
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

/** The key of one schedule, `<Task>/<vo>/<instance>`. */
function keyOf({ task, vo, instance }: Pick<PlannedSchedule, "task" | "vo" | "instance">): string {
  return `${task}/${vo}/${instance}`;
}

function planned({ task: definition, vo, instance }: Place, { schedule, isOn, payload }: InForce): PlannedSchedule {
  const { name: task, missed, overlap, spread, payloadVersion } = definition;
  const key = keyOf({ task, vo, instance });
  // A task that is not per VO shares its times with no VO, and people expect it on the grid's own points.
  const offsetMs = vo === NO_VO || !isOn ? 0 : steadyOffsetMs(schedule, key, spread);
  return {
    ...{ key, task, vo, instance, offsetMs, missed, overlap },
    schedule: isOn ? schedule : undefined,
    text: isOn ? printSchedule(schedule) : SWITCHED_OFF,
    body: payload === undefined ? "{}" : JSON.stringify(payload),
    isEnded: false,
    taskSubject: taskSubject({ task, vo }),
    markerSubject: markerSubject({ task, vo }, instance),
    payloadVersion,
  };
}

/** A schedule of `task` that neither its definition nor the configuration names any more. */
export function endedSchedule(
  task: AnyTask,
  { vo, instance }: Pick<PlannedSchedule, "vo" | "instance">,
): PlannedSchedule {
  const { name, missed, overlap } = task;
  return {
    ...{ task: name, vo, instance, missed, overlap },
    key: keyOf({ task: name, vo, instance }),
    schedule: undefined,
    text: SWITCHED_OFF,
    offsetMs: 0,
    body: "{}",
    payloadVersion: task.payloadVersion,
    isEnded: true,
    taskSubject: taskSubject({ task: name, vo }),
    markerSubject: markerSubject({ task: name, vo }, instance),
  };
}

const COMPARED = ["text", "offsetMs", "body", "payloadVersion", "missed", "overlap", "isEnded"] as const;

function isSame(one: PlannedSchedule, other: PlannedSchedule): boolean {
  return COMPARED.every((field) => one[field] === other[field]);
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

export interface PlanInput {
  readonly tasks: readonly AnyTask[];
  readonly configuration: Configuration;
  readonly before: Plan;
}

/**
 * All schedules in force by the definitions and the configuration: for each active VO where a task is per VO, otherwise once.
 *
 * An override that cannot be used is reported and changes nothing. What was in force `before` stays, or else the definition's own. Objects
 * of `before` are reused where nothing changed.
 */
export function planSchedules({ tasks, configuration, before }: PlanInput, report: ReportProblem): Plan {
  const read = createReader();
  const plan = new Map<string, PlannedSchedule>();
  const vos = activeVos(configuration).filter((vo) => isUsable(vo, report));

  function add(place: Place): void {
    const last = before.get(keyOf({ ...place, task: place.task.name }));
    let next: PlannedSchedule | undefined;
    try {
      const inForce = inForceAt(place, read);
      next = inForce && planned(place, inForce);
    } catch (cause) {
      const { task, instance } = place;
      // What is wrong with an instance is wrong for all VOs.
      const about =
        cause instanceof InstanceRefusedError
          ? `${task.name}, instance ${instance}`
          : keyOf({ ...place, task: task.name });
      report(about, cause);
      const own = inForceByDefinition(place);
      next = last ?? (own && planned(place, own));
    }
    if (next !== undefined) plan.set(next.key, last !== undefined && isSame(last, next) ? last : next);
  }

  for (const task of tasks) {
    for (const instance of instanceNames(task, configuration)) {
      for (const vo of task.per === "vo" ? vos : [NO_VO]) add({ task, vo, instance, configuration });
    }
  }
  return plan;
}
