// Tested by libs/tasks/src/schedule/keep_schedules_test.ts
// Tested by libs/tasks/src/schedule/policies_test.ts
import type { StoredMsg } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { parseOccurrenceId } from "../broker/occurrence.ts";
import { TASK_ID } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { nextStored, type Stored } from "../broker/stored_messages.ts";
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
  const taskId = stored.header?.get(TASK_ID) ?? "";
  // What was triggered by hand begins alike, and is no occurrence.
  return stored.subject === taskSubject && taskId.startsWith(`${key}/`) && parseOccurrenceId(taskId) !== undefined;
}

/** Greatest number of messages on one subject among which occurrences of a schedule are looked for. */
const LOOKED_THROUGH = 1_000;

/**
 * The occurrences of a schedule that wait or run: the one at `message`, and where they may overlap also those before it. Throws when nobody
 * answers.
 */
export async function waitingOf(
  { jsm }: Broker,
  planned: PlannedSchedule,
  message: number,
): Promise<readonly Stored[]> {
  const { overlap, taskSubject: subject } = planned;
  const found: Stored[] = [];
  let from = overlap === "skip" ? message : 1;
  for (let count = 0; from <= message && count < LOOKED_THROUGH; count++) {
    const stored = await nextStored(jsm, TASKS, { from, subject });
    if (stored === null || stored.seq > message) break;
    if (isOccurrenceOf(planned, stored)) found.push(stored);
    from = stored.seq + 1;
  }
  return found;
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
