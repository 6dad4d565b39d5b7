import { createDueQueue } from "./due_queue.ts";
import type { Marker } from "../broker/marker.ts";
import type { Overdue } from "./overdue.ts";
import type { Plan, PlannedSchedule } from "./planned_schedule.ts";

/** One schedule of the plan, and what is known of it. Only `schedule/round.ts` and `schedule/keep_schedules.ts` change the fields. */
export interface Entry {
  readonly planned: PlannedSchedule;
  /** The stored marker; undefined where there is none. `unread` at first, and after an answer that left the marker unknown. */
  stored: Marker | undefined | "unread";
  /** Number of writes that failed since the last success. */
  failures: number;
  /** Whether its last write was refused, for its own sake or another's. The next one then goes alone. */
  isAlone: boolean;
  /** What has been due and has not come; undefined: nothing, as far as is known. */
  overdue: Overdue | undefined;
}

/** All schedules of the plan, each with the time of its next look. Times are the broker's, ms since the epoch. */
export interface Agenda {
  /** The earliest time, or Infinity. */
  readonly nextAt: number;
  readonly entries: Iterable<Entry>;
  /** What the configuration says and cannot be in force, as of the last plan. */
  readonly unusable: readonly string[];
  /**
   * Puts `plan` in force. Entries that are new or changed are looked at at once; entries that are gone are dropped. `unusable`: what the
   * configuration says and is not in the plan.
   */
  adopt(plan: Plan, unusable?: readonly string[]): void;
  /** Takes out the entries that are to be looked at by `now`. Each must come back by `put`. */
  take(now: number): Entry[];
  /** Puts an entry back for `at`. Infinity: not before the plan changes. */
  put(entry: Entry, at: number): void;
  /** Whether the entry was taken and not put back. */
  isOut(entry: Entry): boolean;
  /** Whether the entry still stands for a schedule of the plan. */
  isCurrent(entry: Entry): boolean;
}

export function createAgenda(): Agenda {
  const entries = new Map<string, Entry>();
  const queue = createDueQueue<{ readonly entry: Entry; readonly at: number }>();
  /** The time of each entry's next look. Other items for it in the queue are out of date. */
  const wakeAt = new Map<Entry, number>();

  let refused: readonly string[] = [];

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
    get unusable() {
      return refused;
    },
    adopt(plan, unusable = []) {
      refused = unusable;
      for (const entry of entries.values()) if (plan.get(entry.planned.key) !== entry.planned) remove(entry);
      for (const planned of plan.values()) {
        if (entries.has(planned.key)) continue;
        const entry: Entry = { planned, stored: "unread", failures: 0, isAlone: false, overdue: undefined };
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
