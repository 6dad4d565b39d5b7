// Tested by libs/tasks/src/schedule/run_scheduler_test.ts
// Tested by tests/src/cli/cli_test.ts
import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { type Grid, nextDue } from "../due/due.ts";
import type { Marker } from "../broker/marker.ts";
import { readMarkers } from "./read_markers.ts";
import { findLeaders } from "../lead/leaders.ts";
import { nextStep } from "../due/next_step.ts";
import { firstDueAfter } from "../due/overdue.ts";
import { createOccupancy } from "./occupancy.ts";
import type { PauseNote } from "../queue/pause_book.ts";
import { createPauses } from "./pauses.ts";
import { type PlannedSchedule, planSchedules } from "../due/planned_schedule.ts";

/** One schedule and its present state. */
export interface ScheduleRow {
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly instance: string;
  /** Its text, such as `every 5s` or `cron 0 * * * * Europe/Zurich`; `off` where it is switched off. */
  readonly schedule: string;
  /** The zone on whose clock it is read; `UTC` for an interval. */
  readonly timeZone: string;
  readonly state: "on" | "off" | "paused";
  /** The note of its pause; null where it is not paused. */
  readonly pause: PauseNote | null;
  /** Time of the newest occurrence, or the time from which the schedule counts; undefined where no scheduler has seen it yet. */
  readonly since: Date | undefined;
  /** Whether the last occurrence still waits or runs. The next one comes when it is over. */
  readonly isOccupied: boolean;
  /** The next times, provided that a scheduler leads it; empty where it is off or paused. A first time in the past is about to come. */
  readonly next: readonly Date[];
  /**
   * The first time after the last occurrence of which none has come, although nothing holds it up; null: there is none. It is in the past
   * where the scheduler that leads it does not fire it, where none leads it, and for a moment before each occurrence.
   */
  readonly dueSince: Date | null;
  /** Name of the running scheduler that leads it; null: nobody leads it, and nothing fires. */
  readonly leader: string | null;
}

/** Time from which an occurrence that has not come is more than a delay, ms. */
const LATE_MS = 10_000;

/** Whether a scheduler leads the schedule and does not fire it. */
export function doesNotFire({ leader, dueSince }: Pick<ScheduleRow, "leader" | "dueSince">, nowMs: number): boolean {
  return leader !== null && dueSince !== null && nowMs - dueSince.getTime() >= LATE_MS;
}

/** Of which schedules, and how far ahead. */
export interface TableOptions {
  readonly tasks: readonly AnyTask[];
  readonly configuration: Configuration;
  /** Number of coming times for each schedule, default 1. */
  readonly times?: number;
  /** ms since the epoch, default this machine's time. */
  readonly now?: number;
  /** The coming times from this moment on, whatever waits or was missed; ms since the epoch. Default: those that will come. */
  readonly from?: number;
}

/** Up to `times` due times, the first of which is `first`. Fewer where a rule ends. */
export function comingTimes(grid: Grid, first: number, times: number): Date[] {
  const coming: Date[] = [];
  for (let at = first; at < Number.POSITIVE_INFINITY && coming.length < times; at = nextDue(grid, at))
    coming.push(new Date(at));
  return coming;
}

/** Whether the last occurrence, which has not ended, holds up the next one. */
function isHeldUp({ overlap }: PlannedSchedule, isOccupied: boolean): boolean {
  return isOccupied && overlap === "skip";
}

function timesOf(
  planned: PlannedSchedule,
  marker: Marker | undefined,
  { now, times, from }: { now: number; times: number; from: number | undefined },
): Date[] {
  const { schedule, offsetMs } = planned;
  if (schedule === undefined) return [];
  const grid = { schedule, offsetMs };
  if (from !== undefined) return comingTimes(grid, nextDue(grid, from - 1), times);
  const step = nextStep(planned, marker, now);
  const first = step.kind === "rest" ? step.untilAt : step.kind === "publish" ? step.dueAt : nextDue(grid, step.dueAt);
  return comingTimes(grid, first, times);
}

/**
 * All schedules in force, with the times at which they will fire, by the arithmetic and the markers that the scheduler uses.
 *
 * Where an override cannot be used, the definition's own schedule counts. Throws when nobody answers.
 */
export async function scheduleTable(broker: Broker, options: TableOptions): Promise<readonly ScheduleRow[]> {
  const { tasks, configuration, times = 1, now = Date.now(), from } = options;
  const plan = [...planSchedules({ tasks, configuration, before: new Map() }, () => {}).values()];
  const pauses = createPauses(broker);
  const markers = await readMarkers(
    broker,
    plan.map(({ markerSubject }) => markerSubject),
  );
  await pauses.refresh();
  const last = plan.map((planned, index) => ({ planned, message: markers[index]?.message ?? 0 }));
  const occupied = await createOccupancy(broker).look(last);
  const { leaders } = await findLeaders(broker);
  return plan.map((planned, index) => {
    const { key, task, vo, instance, text, schedule } = planned;
    const marker = markers[index];
    const pause = schedule === undefined ? undefined : pauses.find(planned);
    const state = schedule === undefined ? "off" : pause === undefined ? "on" : "paused";
    const since = marker?.dueAt === undefined ? undefined : new Date(marker.dueAt);
    const next = state === "on" ? timesOf(planned, marker, { now, times, from }) : [];
    const isDue =
      state === "on" && !isHeldUp(planned, occupied.has(key)) && nextStep(planned, marker, now).kind === "publish";
    return {
      task,
      vo,
      instance,
      schedule: text,
      timeZone: schedule === undefined || schedule.kind === "interval" ? "UTC" : schedule.timeZone,
      state,
      pause: pause ?? null,
      since,
      isOccupied: occupied.has(key),
      next,
      dueSince: isDue ? new Date(firstDueAfter(planned, marker)) : null,
      leader: leaders.get(task) ?? null,
    };
  });
}
