import type { Marker } from "../broker/marker.ts";
import { MOST_MISSED } from "../definition/recurrence.ts";
import { type Grid, newestDue, nextDue } from "./due.ts";
import { type PlannedSchedule, SWITCHED_OFF } from "./planned_schedule.ts";

/** Why a marker is written without an occurrence. */
export type RestartReason = "new" | "changed" | "switched off" | "ahead of the clock" | "unreadable";

/** What a schedule needs next. Times are ms since the epoch. */
export type NextStep =
  /** Nothing before `untilAt`; Infinity: nothing until the plan changes. */
  | { readonly kind: "rest"; readonly untilAt: number }
  /** A marker alone: from now on only times after `dueAt` count. */
  | { readonly kind: "restart"; readonly dueAt: number; readonly message: number; readonly reason: RestartReason }
  /** The occurrence of `dueAt`. The schedule's policy for missed ones has chosen it. */
  | {
      readonly kind: "publish";
      readonly dueAt: number;
      /** Whether more were missed than come: the older ones are left out. */
      readonly isCut: boolean;
    };

/** Bounds of the time after which an occurrence that did not come counts as missed, ms. Between them it is a tenth of the time to the next. */
const LATE_MS = { least: 1_000, most: 60_000 };

/** An occurrence that is due, and whether still older ones do not come. */
interface Chosen {
  readonly dueAt: number;
  readonly isCut: boolean;
}

/** The oldest due time after `after`, or of more than 100 the oldest of the newest 100. `newest` is the newest up to now. */
function oldestMissed(grid: Grid, { after, newest }: { readonly after: number; readonly newest: number }): Chosen {
  let dueAt = newest;
  for (let count = 1; ; count++) {
    const before = newestDue(grid, { after, now: dueAt - 1 });
    if (before === undefined || count === MOST_MISSED) return { dueAt, isCut: before !== undefined };
    dueAt = before;
  }
}

function isTooLate(grid: Grid, dueAt: number, now: number): boolean {
  const untilNextMs = nextDue(grid, dueAt) - dueAt;
  return now - dueAt > Math.min(LATE_MS.most, Math.max(LATE_MS.least, untilNextMs / 10));
}

/** The occurrence that comes now, by the schedule's policy for missed ones; undefined: none. */
function occurrenceAt(
  { missed }: Pick<PlannedSchedule, "missed">,
  grid: Grid,
  { after, now }: { readonly after: number; readonly now: number },
): Chosen | undefined {
  const newest = newestDue(grid, { after, now });
  if (newest === undefined) return undefined;
  if (missed === "all") return oldestMissed(grid, { after, newest });
  return missed === "none" && isTooLate(grid, newest, now) ? undefined : { dueAt: newest, isCut: false };
}

/**
 * What the schedule needs, by its stored marker (undefined: there is none) and the broker's time.
 *
 * A schedule that is seen for the first time fires at its next grid time, not at once: an hourly report comes on the hour. A scheduler that
 * is restarted often still meets every time, since the marker stays.
 */
export function nextStep(planned: PlannedSchedule, marker: Marker | undefined, now: number): NextStep {
  const { schedule, text, offsetMs } = planned;
  const restart = (reason: RestartReason, dueAt = now): NextStep => ({
    kind: "restart",
    dueAt,
    message: marker?.message ?? 0,
    reason,
  });

  if (schedule === undefined) {
    if (marker === undefined || marker.schedule === SWITCHED_OFF)
      return { kind: "rest", untilAt: Number.POSITIVE_INFINITY };
    return restart("switched off");
  }
  if (marker === undefined) return restart("new");
  if (marker.dueAt === undefined) return restart("unreadable");
  const grid = { schedule, offsetMs };
  // Further ahead than the next time: it was stored while the broker's clock was ahead. Nothing would fire until then.
  if (marker.dueAt > nextDue(grid, now)) return restart("ahead of the clock");
  if (marker.schedule !== undefined && marker.schedule !== text) return restart("changed", Math.max(now, marker.dueAt));
  const chosen = occurrenceAt(planned, grid, { after: marker.dueAt, now });
  if (chosen !== undefined) return { kind: "publish", ...chosen };
  return {
    kind: "rest",
    untilAt: nextDue(grid, planned.missed === "none" ? Math.max(now, marker.dueAt) : marker.dueAt),
  };
}
