import type { StoredMsg } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { TASK_ID } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { inParallel } from "../lead/in_parallel.ts";
import type { PlannedSchedule } from "../due/planned_schedule.ts";

/** Greatest number of messages that are read one by one. For more, one listing of subjects comes first. */
const FEW = 16;
const READS_AT_ONCE = 256;
/** Time for which a seen message is assumed to be there while the number of messages on its subject stays the same, ms. */
const TRUSTED_MS = 10_000;

/** The last occurrence of a schedule: where its message was stored. */
export interface LastOccurrence {
  readonly planned: PlannedSchedule;
  /** The message's sequence in TASKS; 0: there was none. */
  readonly message: number;
}

/** Whether `stored` is an occurrence of that schedule. A stream that was declared anew may hold another message under its sequence. */
export function isOccurrenceOf(
  { key, taskSubject }: PlannedSchedule,
  stored: Pick<StoredMsg, "subject"> & { readonly header: StoredMsg["header"] | undefined },
): boolean {
  return stored.subject === taskSubject && (stored.header?.get(TASK_ID) ?? "").startsWith(`${key}/`);
}

interface Sighting {
  readonly message: number;
  readonly count: number | undefined;
  readonly at: number;
}

/** Tells which schedules' last occurrence still waits or runs. Its message stays in TASKS until it has ended. */
export interface Occupancy {
  /** The keys of those schedules, as the stream's leader has them. */
  look(occurrences: readonly LastOccurrence[]): Promise<ReadonlySet<string>>;
}

export function createOccupancy({ jsm }: Broker): Occupancy {
  const sightings = new Map<string, Sighting>();

  async function countsOf(occurrences: readonly LastOccurrence[]): Promise<Readonly<Record<string, number>>> {
    const tasks = new Set(occurrences.map(({ planned }) => planned.task));
    const [only] = tasks;
    const filter = tasks.size === 1 ? `tasks.${only}.>` : "tasks.>";
    return (await jsm.streams.info(TASKS, { subjects_filter: filter })).state.subjects ?? {};
  }

  /** Whether a subject has as many messages as at the last look. They are most likely the same, as while no worker runs. */
  function isTrusted({ planned, message }: LastOccurrence, count: number | undefined): boolean {
    const seen = sightings.get(planned.key);
    if (seen === undefined || count === undefined) return false;
    return seen.message === message && seen.count === count && performance.now() - seen.at < TRUSTED_MS;
  }

  async function isThere({ planned, message }: LastOccurrence, count: number | undefined): Promise<boolean> {
    const stored = await jsm.streams.getMessage(TASKS, { seq: message });
    const there = stored !== null && isOccurrenceOf(planned, stored);
    if (there) sightings.set(planned.key, { message, count, at: performance.now() });
    else sightings.delete(planned.key);
    return there;
  }

  return {
    async look(occurrences) {
      const asked = occurrences.filter(({ message }) => message > 0);
      const counts = asked.length > FEW ? await countsOf(asked) : undefined;
      const candidates = counts ? asked.filter(({ planned }) => (counts[planned.taskSubject] ?? 0) > 0) : asked;
      const found = await inParallel(candidates, READS_AT_ONCE, async (occurrence) => {
        const count = counts?.[occurrence.planned.taskSubject];
        return isTrusted(occurrence, count) || (await isThere(occurrence, count));
      });
      return new Set(candidates.filter((_, index) => found[index]).map(({ planned }) => planned.key));
    },
  };
}
