// Tested by libs/tasks/src/schedule/keep_schedules_test.ts
// Tested by libs/tasks/src/schedule/run_scheduler_test.ts
import type { Broker } from "../broker/broker.ts";
import { DEFAULT_INSTANCE } from "../due/instances.ts";
import { checkInstanceName, checkTaskName, checkVoName, NO_VO } from "../format/names.ts";
import { createPauseBook, type PauseNote, printPause } from "../queue/pause_book.ts";

const KEYS = "pause.";

/** What is paused: one schedule, or all schedules of a task where `vo` is left out. */
export interface PauseTarget {
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo?: string | undefined;
  /** Default `default`; counts only with a VO. */
  readonly instance?: string | undefined;
}

/** The target's key after `pause.` in the bucket `schedules`: `<Task>`, or `<Task>.<vo>.<instance>`. Throws `InvalidNameError`. */
function keyOf({ task, vo, instance = DEFAULT_INSTANCE }: PauseTarget): string {
  checkTaskName(task);
  if (vo === undefined) return task;
  return `${task}.${vo === NO_VO ? vo : checkVoName(vo)}.${checkInstanceName(instance)}`;
}

/**
 * Pauses a schedule, or all schedules of a task: no occurrence is published until it is resumed. Published ones still run.
 *
 * Unlike switching off, a pause does not change the schedule. The newest missed time comes right after resuming.
 */
export async function pauseSchedule(
  broker: Broker,
  target: PauseTarget,
  note: Omit<PauseNote, "pausedAt"> = {},
): Promise<void> {
  await broker.buckets.schedules.put(KEYS + keyOf(target), printPause(note));
}

/**
 * Removes the pause of exactly this target. A schedule stays paused where its whole task is paused.
 *
 * Returns whether there was such a pause.
 */
export async function resumeSchedule({ buckets: { schedules } }: Broker, target: PauseTarget): Promise<boolean> {
  const key = KEYS + keyOf(target);
  const entry = await schedules.get(key);
  if (entry?.operation !== "PUT") return false;
  await schedules.delete(key);
  return true;
}

/** What is paused, as the bucket's leader had it at the last `refresh`. */
export interface Pauses {
  /** Reads what is new since the last time. Takes one round trip where nothing is new. */
  refresh(): Promise<void>;
  /**
   * Reads everything again: a bucket that was created anew counts from 1 again. Pauses that a roll-up took are stored again, and hold all
   * the time.
   *
   * Returns the keys of those stored.
   */
  reread(): Promise<readonly string[]>;
  isPaused(target: PauseTarget): boolean;
  /** The note of the pause that holds the target: its own, or else that of the whole task; undefined: it is not paused. */
  find(target: PauseTarget): PauseNote | undefined;
}

export function createPauses(broker: Broker): Pauses {
  const book = createPauseBook(broker, KEYS);
  return {
    refresh: () => book.refresh(),
    reread: () => book.reread(),
    isPaused: (target) => book.size > 0 && (book.find(target.task) ?? book.find(keyOf(target))) !== undefined,
    find: (target) => book.find(keyOf(target)) ?? book.find(target.task),
  };
}
