import type { Broker } from "../broker/broker.ts";
import { nextMatching, type Stored } from "../broker/stored_messages.ts";
import { taskIdOf } from "../format/delivery.ts";
import { headerOf, TASK_ATTEMPT } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { parseTaskSubject, type TaskAddress, taskSubject } from "../format/subject.ts";
import { TASKS } from "../streams/streams.ts";
import { temporal } from "../calendar/temporal.ts";

/** Greatest number of tasks in a page. */
const MOST = 200;

/** A message of TASKS: a task that waits, or that runs. Its texts are unchanged: escape them before they reach a page. */
export interface WaitingTask extends TaskAddress {
  /** Its sequence in TASKS. */
  readonly sequence: number;
  readonly taskId: string;
  readonly attempt: number;
  readonly storedAt: Date;
  readonly body: Uint8Array;
}

/** Which tasks a page is about. */
export interface WaitingPageOptions {
  /** Only of this task and VO. Default: all. */
  readonly of?: TaskAddress | undefined;
  /** Only tasks above this sequence, as the page before it told. Default: from the oldest on. */
  readonly after?: number | undefined;
  /** Greatest number of tasks, at most 200. */
  readonly limit: number;
}

/** A part of what waits, oldest first. */
export interface WaitingPage {
  readonly tasks: readonly WaitingTask[];
  /** Where the next page begins, as `after`; undefined: there was nothing more. */
  readonly next: number | undefined;
}

function readWaiting({ subject, header, seq, timestamp, data }: Stored): WaitingTask | undefined {
  const storedAt = temporal.Instant.from(timestamp);
  const storedAtNs = storedAt.epochNanoseconds.toString();
  try {
    const { task, vo } = parseTaskSubject(subject);
    const taskId = taskIdOf(header, { stream: TASKS, streamSequence: seq, storedAtNs });
    const attempt = Number(headerOf(header, TASK_ATTEMPT) || 1);
    return {
      ...{ sequence: seq, task, vo, taskId, body: data, storedAt: new Date(storedAt.epochMilliseconds) },
      attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1,
    };
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * What waits or runs, oldest first, a page at a time. One request for each task, however many wait. Messages on subjects that are no task's are
 * passed over: the sweep puts them away. Throws when nobody answers, and `InvalidNameError`.
 */
export async function pageOfWaiting(
  { jsm }: Pick<Broker, "jsm">,
  { of, after = 0, limit }: WaitingPageOptions,
): Promise<WaitingPage> {
  const filter = of === undefined ? "tasks.>" : taskSubject(of);
  const tasks: WaitingTask[] = [];
  let from = after + 1;
  for (let looked = 0; looked < Math.min(MOST, limit); looked++) {
    const stored = await nextMatching(jsm, TASKS, { from, filter });
    if (stored === null) return { tasks, next: undefined };
    from = stored.seq + 1;
    const waiting = readWaiting(stored);
    if (waiting !== undefined) tasks.push(waiting);
  }
  return { tasks, next: from - 1 };
}
