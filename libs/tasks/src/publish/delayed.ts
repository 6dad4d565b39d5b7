import type { Broker } from "../broker/broker.ts";
import { headerOf, readHeaders, SCHEDULE, TASK_ATTEMPT, TASK_ID } from "../format/headers.ts";
import { LATER } from "../streams/streams.ts";
import { isLiteralSubject, parseLongSubject } from "../format/subject.ts";

/** Greatest number of messages that are asked for at the same time. */
const AT_ONCE = 100;

/** A task, or a retry, that waits for its time. */
export interface DelayedTask {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  /** 1, or more for a retry. */
  readonly attempt: number;
  /** RFC 3339, UTC; null: its message states no time that can be read, and will be put away. */
  readonly dueAt: string | null;
}

/** The delayed tasks, or as many as were asked for. */
export interface DelayedTasks {
  /** The soonest first. */
  readonly tasks: readonly DelayedTask[];
  /** How many there are in all. */
  readonly total: number;
}

/** The time in `@at 2027-01-31T12:00:00Z`, or null. */
function dueAtOf(schedule: string): string | null {
  const ms = schedule.startsWith("@at ") ? Date.parse(schedule.slice(4)) : Number.NaN;
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

async function read({ jsm }: Pick<Broker, "jsm">, subject: string): Promise<DelayedTask | undefined> {
  const stored = await jsm.streams.getMessage(LATER, { last_by_subj: subject });
  if (stored === null) return undefined; // its time has come meanwhile
  const { headers } = readHeaders({
    get headers() {
      return stored.header;
    },
  });
  try {
    const { task, vo, last } = parseLongSubject(subject);
    const taskId = headerOf(headers, TASK_ID) || last;
    return {
      task,
      vo,
      taskId,
      attempt: Number(headerOf(headers, TASK_ATTEMPT) || 1),
      dueAt: dueAtOf(headerOf(headers, SCHEDULE)),
    };
  } catch {
    return undefined; // the sweeper reports a subject that Muster did not make
  }
}

/**
 * The tasks that wait for their time, and those that wait for a retry. Reads at most `limit` of them, and sorts these by their time.
 *
 * Throws when nobody answers.
 */
export async function listDelayed(broker: Pick<Broker, "jsm">, limit = 1_000): Promise<DelayedTasks> {
  const { state } = await broker.jsm.streams.info(LATER, { subjects_filter: "later.>" });
  // A subject that is a pattern would be looked up as one. The sweeper reports it.
  const subjects = Object.keys(state.subjects ?? {}).filter(isLiteralSubject);
  const tasks: DelayedTask[] = [];
  for (let at = 0; at < Math.min(limit, subjects.length); at += AT_ONCE) {
    const turn = subjects.slice(at, Math.min(limit, at + AT_ONCE));
    for (const task of await Promise.all(turn.map((subject) => read(broker, subject)))) {
      if (task !== undefined) tasks.push(task);
    }
  }
  tasks.sort((a, b) => ((a.dueAt ?? "") < (b.dueAt ?? "") ? -1 : 1));
  return { tasks, total: subjects.length };
}
