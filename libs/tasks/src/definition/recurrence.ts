// Tested by libs/tasks/src/definition/recurrence_test.ts
import { checkInstanceName, checkVoName, InvalidNameError } from "../format/names.ts";
import type { JsonObject } from "./json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "./payload.ts";
import type { PayloadOption, PublishableTask } from "./publishable.ts";
import { type Interval, msOf, type Schedule } from "../calendar/schedule.ts";

/**
 * What becomes of due times that nobody could publish: no scheduler ran, the schedule was paused, or the last occurrence was not over.
 *
 * - `last`: the newest comes at once, and stands for all of them.
 * - `all`: each comes, the oldest first; of more than 100 the newest 100.
 * - `none`: they do not come. A time counts as missed once a tenth of the time to the next one has passed, but 1 second at least and a minute
 *   at most.
 */
export type Missed = "last" | "all" | "none";
/** Greatest number of missed occurrences of one schedule that come later. */
export const MOST_MISSED = 100;

/** Whether the next occurrence of a schedule comes while the last one waits or runs: `skip`, it does not; `allow`, it does. */
export type Overlap = "skip" | "allow";

/**
 * How the times of VOs are spread, so that not all come in the same second.
 *
 * - `interval`: each VO has its own steady offset, up to the interval's length, at most an hour. A cron or a rule has no offset.
 * - `none`: all VOs share the schedule's own times.
 * - A length of time: each VO comes up to this much later, also with a cron or a rule. Of an interval at most its own length counts.
 */
export type Spread = "interval" | "none" | Interval;

/**
 * Whether runs of a periodic task hold the mutex of its name and VO: `held`, beside what `locks` returns; `replaced`, they hold only what
 * `locks` returns.
 */
export type OwnMutex = "held" | "replaced";

/** Further properties of a periodic task. */
export interface RecurrenceTraits {
  /** Default `last`. */
  readonly missed: Missed;
  /** Default `skip`. */
  readonly overlap: Overlap;
  /** Default `interval`. */
  readonly spread: Spread;
  /** Default `held`. It lets one run at a time, of all its instances together. */
  readonly ownMutex: OwnMutex;
}

/** A named schedule of a task, with a payload of its own. */
export type InstanceSpec<Input extends JsonObject> = PayloadOption<Input> & {
  readonly schedule: Schedule;
  /** The VOs that have it; default: all. Only for a task that is per VO. */
  readonly vos?: readonly string[];
};

/** An instance of a definition, where the type of its payload does not matter. */
export interface TaskInstance {
  readonly schedule: Schedule;
  /** Default: the empty object. */
  readonly payload?: JsonObject | undefined;
  readonly vos?: readonly string[] | undefined;
}

/** The instances of a definition, by name. */
export type TaskInstances = Readonly<Record<string, TaskInstance>>;

/** The instance of a task's own schedule. */
export const DEFAULT_INSTANCE = "default";
/** Greatest number of instances of one task, in its definition and in the configuration each. */
export const MOST_INSTANCES = 100;
/** Greatest size of an instance's payload, bytes of JSON: it stands in the configuration, and in each occurrence. */
export const MOST_INSTANCE_BYTES = 16 * 1024;

/**
 * Checks the payload of a named schedule; undefined stands for the empty object. Throws `PayloadRefusedError`, also for one that the task's
 * schema cannot check at once: a schedule is planned without waiting.
 */
export function checkScheduledPayload(task: PublishableTask, payload: JsonObject | undefined): void {
  const given = payload ?? {};
  const bytes = Buffer.byteLength(JSON.stringify(given));
  const tooLarge = `it has ${bytes} bytes of JSON; ${MOST_INSTANCE_BYTES} are the limit for a schedule`;
  const problem = sizeProblem(given) ?? (bytes > MOST_INSTANCE_BYTES ? tooLarge : undefined);
  if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
  const checked = checkPayload(task, given);
  if (!(checked instanceof Promise)) return;
  checked.catch(() => undefined); // what it says comes too late
  if (payload === undefined) return;
  const slow = "its schema is asynchronous; a schedule's payload needs one that checks at once";
  throw new PayloadRefusedError(task.name, slow);
}

function checkSpread(task: string, spread: Spread): void {
  if (spread === "interval" || spread === "none") return;
  const ms = msOf(spread);
  if (!(ms >= 0 && ms <= 366 * 86_400_000))
    throw new RangeError(`Cannot define ${task}: its spread is ${JSON.stringify(spread)}; give 0 to 366 days`);
}

function checkWord(task: string, [what, word]: readonly [string, unknown], words: readonly string[]): void {
  if (words.includes(String(word))) return;
  throw new RangeError(
    `Cannot define ${task}: its ${what} is ${JSON.stringify(word)}; give one of ${words.join(", ")}`,
  );
}

/** The traits with their defaults. Throws `RangeError` for a word or length that is none. */
export function recurrenceTraits(task: string, given: Partial<RecurrenceTraits>): RecurrenceTraits {
  const { missed = "last", overlap = "skip", spread = "interval", ownMutex = "held" } = given;
  checkWord(task, ["missed", missed], ["last", "all", "none"]);
  checkWord(task, ["overlap", overlap], ["skip", "allow"]);
  checkWord(task, ["ownMutex", ownMutex], ["held", "replaced"]);
  checkSpread(task, spread);
  return { missed, overlap, spread, ownMutex };
}

/** Returns `instances`. Throws a `RangeError` that names the instance and what is wrong with it. */
export function checkInstances(task: PublishableTask, instances: TaskInstances): TaskInstances {
  const names = Object.keys(instances);
  if (names.length > MOST_INSTANCES)
    throw new RangeError(
      `Cannot define ${task.name}: it has ${names.length} instances; ${MOST_INSTANCES} are the limit`,
    );
  for (const [name, { payload, vos }] of Object.entries(instances)) {
    const refuse = (problem: string, cause?: unknown): never => {
      throw new RangeError(`Cannot define ${task.name}: instance ${JSON.stringify(name)}: ${problem}`, { cause });
    };
    if (name === DEFAULT_INSTANCE) refuse("that is the name of the task's own `schedule`; choose another one");
    try {
      checkInstanceName(name);
      checkScheduledPayload(task, payload);
      for (const vo of vos ?? []) checkVoName(vo);
    } catch (error) {
      if (error instanceof InvalidNameError || error instanceof PayloadRefusedError) refuse(error.message, error);
      throw error;
    }
    if (vos !== undefined && task.per === "all") refuse("the task is not per VO; leave `vos` out");
  }
  return instances;
}

/** Whether a task has a schedule in its definition, for its default instance or a named one. */
export function isPeriodic(task: {
  readonly recurrence: Schedule | undefined;
  readonly instances: TaskInstances;
}): boolean {
  return task.recurrence !== undefined || Object.keys(task.instances).length > 0;
}
