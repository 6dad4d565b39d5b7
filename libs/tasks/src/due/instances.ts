// Tested by libs/tasks/src/due/planned_schedule_test.ts
import type { Configuration } from "../configuration/configuration.ts";
import type { JsonObject } from "../definition/json.ts";
import { migratePayload } from "../definition/migrate.ts";
import { PayloadRefusedError } from "../definition/payload.ts";
import { checkScheduledPayload, DEFAULT_INSTANCE } from "../definition/recurrence.ts";
import type { Schedule } from "../calendar/schedule.ts";
import type { AnyTask } from "../definition/task.ts";

export { DEFAULT_INSTANCE } from "../definition/recurrence.ts";

/** One schedule of a task for one VO, or for all where the VO is `_`. */
export interface Place {
  readonly task: AnyTask;
  readonly vo: string;
  readonly instance: string;
  readonly configuration: Configuration;
}

/** What is in force there. */
export interface InForce {
  readonly schedule: Schedule;
  readonly isOn: boolean;
  readonly payload: JsonObject | undefined;
}

/** What the configuration says of one instance cannot be used. */
export class InstanceRefusedError extends Error {
  override readonly name = "InstanceRefusedError";
  readonly task: string;
  readonly instance: string;
  readonly problem: string;
  constructor(
    { task, instance }: { readonly task: string; readonly instance: string },
    problem: string,
    cause?: unknown,
  ) {
    super(`Cannot use instance ${JSON.stringify(instance)} of ${task}: ${problem}`, { cause });
    this.task = task;
    this.instance = instance;
    this.problem = problem;
  }
}

/** The names of the instances that a task may have by its definition and by the configuration. */
export function instanceNames(task: AnyTask, configuration: Configuration): readonly string[] {
  const configured = Object.keys(configuration.tasks[task.name]?.instances ?? {});
  return [...new Set([DEFAULT_INSTANCE, ...Object.keys(task.instances), ...configured])];
}

/** The VOs of the instance; undefined: all. */
function vosOf({ task, instance, configuration }: Place): readonly string[] | undefined {
  return configuration.tasks[task.name]?.instances?.[instance]?.vos ?? task.instances[instance]?.vos;
}

/** The text of the schedule that the configuration gives; undefined: it gives none. */
function configuredText({ task, vo, instance, configuration }: Place): string | undefined {
  const settings = configuration.tasks[task.name];
  const own = settings?.instances?.[instance]?.schedule;
  return instance === DEFAULT_INSTANCE ? (settings?.vos?.[vo]?.schedule ?? own ?? settings?.schedule) : own;
}

function ownSchedule({ task, instance }: Place): Schedule | undefined {
  return instance === DEFAULT_INSTANCE ? task.recurrence : task.instances[instance]?.schedule;
}

/**
 * Whether definition or configuration name this schedule, usable or not. A marker of one that they do not name is a leftover.
 *
 * What cannot be used is named all the same, so that a mistake in the configuration ends no schedule.
 */
export function isNamed(place: Place): boolean {
  const { vo, task, instance, configuration } = place;
  if (vosOf(place)?.includes(vo) === false) return false;
  const isConfigured = configuration.tasks[task.name]?.instances?.[instance] !== undefined;
  return isConfigured || configuredText(place) !== undefined || ownSchedule(place) !== undefined;
}

/** What the configuration says of one task, and of one of its instances. */
type Settings = Configuration["tasks"][string];
type InstanceSettings = NonNullable<Settings["instances"]>[string] | undefined;

/** Why what the configuration says of one instance cannot be used; undefined: it can. */
function problemOf(task: AnyTask, instance: string, settings: Settings | undefined): InstanceRefusedError | undefined {
  const refused = (problem: string, cause?: unknown) =>
    new InstanceRefusedError({ task: task.name, instance }, problem, cause);
  const set = settings?.instances?.[instance];
  if (set?.vos !== undefined && task.per === "all") return refused("the task is not per VO; leave `vos` out");
  const own = instance === DEFAULT_INSTANCE ? task.recurrence : task.instances[instance]?.schedule;
  const isScheduled = own !== undefined || set?.schedule !== undefined || instance === DEFAULT_INSTANCE;
  if (!isScheduled) return refused("it has no schedule, and the definition has no instance of this name; give it one");
  try {
    const payload = payloadFor(task, instance, set);
    // That the definition's own schedule fits was checked where it was defined. A task without one may need a payload.
    const isNew = own === undefined && givesSchedule(settings, instance);
    if (payload !== undefined || instance !== DEFAULT_INSTANCE || isNew) checkScheduledPayload(task, payload);
    return undefined;
  } catch (error) {
    const lacks = set?.payload === undefined ? `; give it one under instances.${instance}.payload` : hintFor(task, set);
    if (error instanceof PayloadRefusedError) return refused(`${error.problem}${lacks}`, error);
    throw error;
  }
}

/** Whether the configuration gives an instance a schedule, for all VOs or for one. */
function givesSchedule(settings: Settings | undefined, instance: string): boolean {
  if (settings?.instances?.[instance]?.schedule !== undefined) return true;
  if (instance !== DEFAULT_INSTANCE || settings === undefined) return false;
  return settings.schedule !== undefined || Object.values(settings.vos ?? {}).some((of) => of.schedule !== undefined);
}

/** What to do about a configured payload that was perhaps written for an older version of the task's payload. */
function hintFor({ payloadVersion }: AnyTask, set: InstanceSettings): string {
  if (payloadVersion === 1 || set?.payload === undefined || set.payloadVersion !== undefined) return "";
  return `; it was read as version ${payloadVersion} of the payload: state payloadVersion where it was written for an older one`;
}

/**
 * What occurrences of an instance carry, as the present definition has it. One that the configuration has is migrated from the version that stands
 * beside it; without a version it is of the present one. Throws `PayloadRefusedError`.
 */
function payloadFor(task: AnyTask, instance: string, set: InstanceSettings): JsonObject | undefined {
  // The configuration was read from JSON.
  const payload = set?.payload as JsonObject | undefined;
  if (payload === undefined) return task.instances[instance]?.payload;
  const { payloadVersion: known } = task;
  const version = set?.payloadVersion ?? known;
  if (version <= known) return migratePayload(task, payload, version);
  throw new PayloadRefusedError(
    task.name,
    `it is of version ${version}, and this program knows version ${known}; upgrade it`,
  );
}

/**
 * All instances of a task to which `settings` give something and that cannot be used. Schedules themselves are checked with the document.
 *
 * A schedule for a task that has none of its own is one of them, where the task needs a payload.
 */
export function instanceProblems(task: AnyTask, settings: Settings): readonly InstanceRefusedError[] {
  const named = Object.keys(settings.instances ?? {});
  const own = givesSchedule(settings, DEFAULT_INSTANCE) ? [DEFAULT_INSTANCE] : [];
  return [...new Set([...own, ...named])].flatMap((instance) => problemOf(task, instance, settings) ?? []);
}

/**
 * What is in force; undefined: the task has no such schedule there.
 *
 * Throws {@linkcode InstanceRefusedError} and `InvalidScheduleError` where the configuration cannot be used.
 */
export function inForceAt(place: Place, read: (text: string) => Schedule): InForce | undefined {
  const { task, vo, instance, configuration } = place;
  const settings = configuration.tasks[task.name];
  const set = settings?.instances?.[instance];
  if (!isNamed(place)) return undefined;
  const problem = problemOf(task, instance, settings);
  if (problem !== undefined) throw problem;
  const text = configuredText(place);
  const schedule = text === undefined ? ownSchedule(place) : read(text);
  if (schedule === undefined) return undefined;
  const isTaskOn = settings?.vos?.[vo]?.enabled ?? settings?.enabled ?? true;
  return {
    schedule,
    isOn: isTaskOn && (set?.enabled ?? true),
    payload: payloadFor(task, instance, set),
  };
}

/** The same by the definition alone; undefined: the definition has no such schedule. */
export function inForceByDefinition(place: Place): InForce | undefined {
  const schedule = ownSchedule(place);
  if (schedule === undefined || isLeftOut(place)) return undefined;
  return { schedule, isOn: true, payload: place.task.instances[place.instance]?.payload };
}

function isLeftOut({ task, vo, instance }: Place): boolean {
  return task.instances[instance]?.vos?.includes(vo) === false;
}
