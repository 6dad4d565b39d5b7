import type { Broker } from "../wire/broker.ts";
import { parseTaskSubject, type TaskAddress } from "../wire/subject.ts";
import { TASKS } from "../wire/streams.ts";
import { nextStored } from "./stored_messages.ts";

/** Messages of a task that is not among those asked about: they wait for a worker that knows it. */
export interface UnknownTask extends TaskAddress {
  readonly count: number;
  /** When the oldest was stored. */
  readonly oldestAt: Date;
}

/** The address that a subject names, or undefined where it names none. */
export function addressOf(subject: string): TaskAddress | undefined {
  try {
    return parseTaskSubject(subject);
  } catch {
    return undefined; // What is wrong with it is the sweeper's to say.
  }
}

/** How many subjects are asked for their oldest message. */
const ASKED = 100;

/** Looks up what waits in TASKS under names that are not among `known`; the first 100 subjects. Throws when nobody answers. */
export async function listUnknownTasks(broker: Broker, known: Iterable<string>): Promise<readonly UnknownTask[]> {
  const names = new Set(known);
  const { state } = await broker.jsm.streams.info(TASKS, { subjects_filter: "tasks.>" });
  const unknown: UnknownTask[] = [];
  for (const [subject, count] of Object.entries(state.subjects ?? {})) {
    const address = addressOf(subject);
    if (address === undefined || names.has(address.task)) continue;
    const oldest = await nextStored(broker.jsm, TASKS, { from: 1, subject });
    if (oldest !== null) unknown.push({ ...address, count, oldestAt: oldest.time });
    if (unknown.length >= ASKED) break;
  }
  return unknown;
}
