import type { Broker } from "../broker/broker.ts";
import { parseTaskSubject, type TaskAddress } from "../format/subject.ts";
import { TASKS } from "../streams/streams.ts";
import { listWorkers } from "../presence/registration.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { nextMatching } from "../broker/stored_messages.ts";

/** Messages of a task that no running worker knows. They wait for a worker that does. */
export interface UnknownTask {
  readonly task: string;
  /** Number of messages of all VOs. */
  readonly count: number;
  /** The VOs that they are for, or `_`. */
  readonly vos: readonly string[];
  /** When the oldest was stored. Null: it was not looked up, as for all but the first fifty names, or is gone. */
  readonly oldestAt: Date | null;
}

/** The address in a subject; undefined where it holds none. */
export function addressOf(subject: string): TaskAddress | undefined {
  try {
    return parseTaskSubject(subject);
  } catch {
    return undefined; // the sweeper says what is wrong with it
  }
}

/** Greatest number of names whose oldest message is looked up. */
const ASKED = 50;
const ASKED_AT_ONCE = 16;

interface Sum {
  readonly task: string;
  readonly vos: string[];
  count: number;
}

/**
 * What waits in TASKS under names that no running worker runs and that are not in `besides`: all names, those with most messages first.
 *
 * The workers are read last. A worker that has started in between is then among them, with what was published for it. Throws when nobody
 * answers.
 */
export async function listUnknownTasks(
  broker: Broker,
  besides: Iterable<string> = [],
): Promise<readonly UnknownTask[]> {
  const { state } = await broker.jsm.streams.info(TASKS, { subjects_filter: "tasks.>" });
  const workers = await listWorkers(broker);
  const names = new Set([...besides, ...workers.flatMap(({ tasks }) => tasks)]);
  const sums = new Map<string, Sum>();
  for (const [subject, count] of Object.entries(state.subjects ?? {})) {
    const address = addressOf(subject);
    if (address === undefined || names.has(address.task)) continue;
    const sum = sums.get(address.task) ?? { task: address.task, vos: [], count: 0 };
    sum.count += count;
    sum.vos.push(address.vo);
    sums.set(address.task, sum);
  }
  const fullest = [...sums.values()].sort((a, b) => b.count - a.count || (a.task < b.task ? -1 : 1));
  const oldest = await inParallel(fullest.slice(0, ASKED), ASKED_AT_ONCE, ({ task }) =>
    // A task's name holds no pattern: it was parsed above.
    nextMatching(broker.jsm, TASKS, { from: 1, filter: `tasks.${task}.>` }),
  );
  return fullest.map((sum, index) => ({ ...sum, vos: sum.vos.sort(), oldestAt: oldest[index]?.time ?? null }));
}
