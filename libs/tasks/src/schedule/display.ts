import type { Broker } from "../broker/broker.ts";
import type { Agenda, Entry } from "../due/agenda.ts";
import { nextDue } from "../due/due.ts";
import { isLate } from "../due/overdue.ts";
import type { Pauses } from "./pauses.ts";

/** Greatest number of schedules shown for one task. A value in the bucket is bounded. */
const SHOWN = 2_000;
/** Greatest number of schedules of a task of which it is shown why they do not fire. */
const EXPLAINED = 10;

/** One schedule in `next.<Task>` of the bucket `schedules`. It is for people and pages; nothing relies on it. Times are RFC 3339, UTC. */
export interface ShownSchedule {
  readonly vo: string;
  readonly instance: string;
  /** Its text, or `off`. */
  readonly schedule: string;
  readonly paused: boolean;
  /** The time from which it counts: that of its newest occurrence, or when it was first seen, changed or switched off. */
  readonly since: string | null;
  readonly next: string | null;
  /** The first due time of which no occurrence has come although it is led; absent: all came. `why` is kept of the first ten of a task. */
  readonly dueSince?: string;
  readonly why?: string | undefined;
}

function time(at: number | undefined): string | null {
  return at === undefined || at === Number.POSITIVE_INFINITY ? null : new Date(at).toISOString();
}

function shown({ planned, stored }: Entry, pauses: Pauses): ShownSchedule {
  const { vo, instance, text, schedule, offsetMs } = planned;
  const since = stored === "unread" ? undefined : stored?.dueAt;
  const next = schedule === undefined || since === undefined ? undefined : nextDue({ schedule, offsetMs }, since);
  return { vo, instance, schedule: text, paused: pauses.isPaused(planned), since: time(since), next: time(next) };
}

/** Adds what is due and has not come. Nothing is added where all came, so that nothing more is written. */
function withOverdue(entries: readonly Entry[], pauses: Pauses): readonly ShownSchedule[] {
  let explained = 0;
  return entries.map((entry) => {
    const row = shown(entry, pauses);
    const { overdue } = entry;
    if (!isLate(overdue)) return row;
    const { dueAt, why } = overdue;
    return { ...row, dueSince: new Date(dueAt).toISOString(), ...(explained++ < EXPLAINED ? { why } : {}) };
  });
}

/** Writes what the leader has on its agenda, one key for each task. Costs nothing where nothing has changed. */
export function createDisplay({
  broker,
  agenda,
  pauses,
}: {
  broker: Broker;
  agenda: Agenda;
  pauses: Pauses;
}): () => Promise<void> {
  const written = new Map<string, string>();
  return async () => {
    const entries = [...agenda.entries].filter(({ planned }) => !planned.isEnded);
    const byTask = Map.groupBy(entries, ({ planned }) => planned.task);
    // A later leader of the task may have written something else.
    for (const task of written.keys()) if (!byTask.has(task)) written.delete(task);
    for (const [task, entries] of byTask) {
      const schedules = withOverdue(entries.slice(0, SHOWN), pauses);
      const value = JSON.stringify({ task, count: entries.length, schedules });
      if (written.get(task) === value) continue;
      await broker.buckets.schedules.put(`next.${task}`, value);
      written.set(task, value);
    }
  };
}
