import type { Marker } from "../broker/marker.ts";
import { newestDue, nextDue } from "./due.ts";
import { type PlannedSchedule, SWITCHED_OFF } from "./planned_schedule.ts";

/** Why a marker is written without an occurrence. */
export type RestartReason = "new" | "changed" | "switched off" | "ahead of the clock" | "unreadable";

/** What a schedule needs next. Times are ms since the epoch. */
export type NextStep =
  /** Nothing before `untilAt`; Infinity: nothing until the plan changes. */
  | { readonly kind: "rest"; readonly untilAt: number }
  /** A marker alone: from now on only times after `dueAt` count. */
  | { readonly kind: "restart"; readonly dueAt: number; readonly message: number; readonly reason: RestartReason }
  /** The occurrence of `dueAt`: the newest one, whatever was missed before it. */
  | { readonly kind: "publish"; readonly dueAt: number };

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
  const dueAt = newestDue(grid, { after: marker.dueAt, now });
  return dueAt === undefined ? { kind: "rest", untilAt: nextDue(grid, marker.dueAt) } : { kind: "publish", dueAt };
}
