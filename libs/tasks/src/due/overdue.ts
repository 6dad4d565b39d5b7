// Tested by libs/tasks/src/schedule/overdue_test.ts
import type { Marker } from "../broker/marker.ts";
import { nextDue } from "./due.ts";
import type { Agenda } from "./agenda.ts";
import type { PlannedSchedule } from "./planned_schedule.ts";

/** Time for which an occurrence is tried in vain before that is a problem, ms. A change of the broker's leader takes less. */
const LATE_MS = 10_000;
/** Number of occurrences in a row that were given up, from which a schedule with `missed: "none"` does not fire. */
const MOST_SKIPPED = 2;
/** Largest number of schedules that are named. The others are counted. */
const NAMED = 3;

/**
 * A due time of which no occurrence has come, although this process leads the schedule and nothing holds it up.
 *
 * States:
 *   tried    Its occurrence is to be published now, and is tried again and again.
 *   resting  It came too late for `missed: "none"`. Nothing is tried before the next due time.
 */
export interface Overdue {
  /** The first due time after the last occurrence, ms since the epoch. */
  readonly dueAt: number;
  /** When the present tries began, by the monotonic clock, ms; undefined: it rests. */
  readonly triedSinceMs: number | undefined;
  /** Number of due times since `dueAt` that were given up. */
  readonly skipped: number;
  /** Why the last try failed, and what to do; undefined: none has ended yet. */
  readonly why: string | undefined;
}

type Known = Pick<PlannedSchedule, "schedule" | "offsetMs">;

/** The first due time after the last occurrence, ms since the epoch. Infinity where the schedule is off or its marker does not say. */
export function firstDueAfter({ schedule, offsetMs }: Known, marker: Pick<Marker, "dueAt"> | undefined): number {
  if (schedule === undefined || marker?.dueAt === undefined) return Number.POSITIVE_INFINITY;
  return nextDue({ schedule, offsetMs }, marker.dueAt);
}

/** The state of a schedule whose occurrence is to be published now. */
export function tried(before: Overdue | undefined, dueAt: number, nowMs = performance.now()): Overdue {
  // An occurrence has come meanwhile where the first due time is another one. Another leader may have published it.
  if (before?.dueAt !== dueAt) return { dueAt, triedSinceMs: nowMs, skipped: 0, why: undefined };
  return before.triedSinceMs === undefined ? { ...before, triedSinceMs: nowMs } : before;
}

/** The state of a schedule that needs nothing now; undefined: all is well. `dueAt`: its first due time after the last occurrence. */
export function rested(before: Overdue | undefined, dueAt: number): Overdue | undefined {
  if (before?.dueAt !== dueAt) return undefined;
  return before.triedSinceMs === undefined
    ? before
    : { ...before, triedSinceMs: undefined, skipped: before.skipped + 1 };
}

/** Whether a schedule does not fire, and not just for a moment. */
export function isLate(overdue: Overdue | undefined, nowMs = performance.now()): overdue is Overdue {
  if (overdue === undefined) return false;
  const { triedSinceMs, skipped } = overdue;
  return skipped >= MOST_SKIPPED || (triedSinceMs !== undefined && nowMs - triedSinceMs >= LATE_MS);
}

/**
 * Why a scheduler has nothing to fire: the configuration says something of schedules, and none of them can be used. Where some can, `muster doctor`
 * names the others, and this returns nothing.
 */
export function uselessPlan({ entries, unusable }: Pick<Agenda, "entries" | "unusable">): readonly string[] {
  if (unusable.length === 0) return [];
  for (const { planned } of entries) if (planned.schedule !== undefined) return [];
  const more = unusable.length - 1;
  return [`no schedule can be fired: ${unusable[0]}${more > 0 ? `, and ${more} more such` : ""}`];
}

/** A schedule as a process keeps it that leads it. */
interface Led {
  readonly planned: Pick<PlannedSchedule, "key" | "task">;
  readonly overdue: Overdue | undefined;
}

function describe({ planned: { key, task }, overdue }: Led & { readonly overdue: Overdue }): string {
  const since = new Date(overdue.dueAt).toISOString();
  const why = overdue.why ?? "its first try has not ended; see the log";
  return `schedule ${key} has been due since ${since} and does not fire: ${why}; \`muster schedule pause ${task}\` holds it until then`;
}

/** The schedules that do not fire although this process leads them, one line each and the oldest first. Of very many, the first few. */
export function overdueProblems(led: Iterable<Led>, nowMs = performance.now()): readonly string[] {
  const late: (Led & { readonly overdue: Overdue })[] = [];
  for (const { planned, overdue } of led) if (isLate(overdue, nowMs)) late.push({ planned, overdue });
  late.sort((a, b) => a.overdue.dueAt - b.overdue.dueAt);
  const named = late.slice(0, NAMED).map(describe);
  const more = late.length - named.length;
  return more > 0 ? [...named, `${more} more schedules do not fire; \`muster schedule list\` has all`] : named;
}
