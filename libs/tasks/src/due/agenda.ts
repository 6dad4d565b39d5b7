import { createDueQueue } from "./due_queue.ts";
import type { Marker } from "../broker/marker.ts";
import type { Plan, PlannedSchedule } from "./planned_schedule.ts";

/** One schedule of the plan, and what is known of it. */
export interface Entry {
  readonly planned: PlannedSchedule;
  /** The stored marker, undefined where there is none; `unread` at first, and after an answer that told nothing. */
  stored: Marker | undefined | "unread";
  /** Writes that failed since the last one that did not. */
  failures: number;
  /** Its last write was refused, on its own account or another's: the next one goes without others. */
  isAlone: boolean;
}

/** All schedules of the plan, each with the time at which it is to be looked at. Times are the broker's, ms since the epoch. */
export interface Agenda {
  /** The earliest time, or Infinity. */
  readonly nextAt: number;
  readonly entries: Iterable<Entry>;
  /** Makes `plan` the one in force. What is new in it or has changed is looked at at once, what has gone is looked at no more. */
  adopt(plan: Plan): void;
  /** Takes out what is to be looked at by `now`; each must come back by `put`. */
  take(now: number): Entry[];
  /** Infinity: not before the plan changes. */
  put(entry: Entry, at: number): void;
  /** Whether the entry was taken and not put back. */
  isOut(entry: Entry): boolean;
  /** Whether the entry still stands for a schedule of the plan. */
  isCurrent(entry: Entry): boolean;
}

export function createAgenda(): Agenda {
  const entries = new Map<string, Entry>();
  const queue = createDueQueue<{ readonly entry: Entry; readonly at: number }>();
  /** When each entry is to be looked at: what else lies in the queue for it is out of date. */
  const wakeAt = new Map<Entry, number>();

  const isCurrent = (entry: Entry) => entries.get(entry.planned.key) === entry;

  function put(entry: Entry, at: number): void {
    if (!isCurrent(entry)) return;
    wakeAt.set(entry, at);
    queue.add(at, { entry, at });
  }

  function remove(entry: Entry): void {
    entries.delete(entry.planned.key);
    wakeAt.delete(entry);
  }

  return {
    get nextAt() {
      return queue.nextAt;
    },
    get entries() {
      return entries.values();
    },
    adopt(plan) {
      for (const entry of entries.values()) if (plan.get(entry.planned.key) !== entry.planned) remove(entry);
      for (const planned of plan.values()) {
        if (entries.has(planned.key)) continue;
        const entry: Entry = { planned, stored: "unread", failures: 0, isAlone: false };
        entries.set(planned.key, entry);
        put(entry, Number.NEGATIVE_INFINITY);
      }
    },
    take(now) {
      const due = queue.take(now).filter(({ entry, at }) => wakeAt.get(entry) === at);
      const taken = due.map(({ entry }) => entry).filter((entry) => wakeAt.delete(entry));
      return taken.filter(isCurrent);
    },
    put,
    isOut: (entry) => isCurrent(entry) && !wakeAt.has(entry),
    isCurrent,
  };
}
