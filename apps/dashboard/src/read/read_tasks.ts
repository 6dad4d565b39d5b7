// Tested by apps/dashboard/src/serve/serve_test.ts
import { getSettledAt } from "@muster/ledger";
import { findTask, type FoundTask, pageOfWaiting, type WaitingTask } from "@muster/tasks/operate";
import { eventData } from "./read_overview.ts";
import type { EventsData, TaskData, WaitingPageData } from "./shapes.ts";
import { keepLate } from "./late.ts";
import { shared } from "./shared.ts";
import type { Sources } from "./sources.ts";

/** Age up to which what was read for one viewer does for the next one, ms. */
const FRESH_MS = 1_500;
/** Tasks in one page of what waits. */
const PAGE = 25;
/** Characters of a payload that are shown in a list. */
const SHOWN = 200;
/** Greatest number of children that are shown of a task. */
const CHILDREN = 200;

/** Which of the newest events are wanted. A field that is left out selects all. */
export interface EventChoice {
  readonly task?: string | undefined;
  readonly vo?: string | undefined;
  readonly step?: string | undefined;
  readonly limit: number;
}

/** Which part of what waits is wanted. */
export interface WaitingChoice {
  readonly task?: string | undefined;
  readonly vo?: string | undefined;
  readonly after?: number | undefined;
}

function taskData(found: FoundTask): TaskData {
  const { progress, result, children, timeline, errors, notes, ...rest } = found;
  return {
    ...rest,
    errors: [...errors],
    notes: [
      ...notes,
      ...(children.length > CHILDREN ? [`it has ${children.length} children; the first ${CHILDREN} are shown`] : []),
    ],
    children: children.slice(0, CHILDREN).map((child) => ({ ...child })),
    progress:
      progress === null
        ? null
        : { done: progress.done, total: progress.total ?? null, note: progress.note ?? null, at: progress.at },
    result: result === undefined ? null : JSON.stringify(result),
    timeline: timeline.map(({ tookMs, reason, ...event }) => ({
      ...event,
      tookMs: tookMs ?? null,
      reason: reason ?? null,
    })),
  };
}

function waitingData({ storedAt, body, ...task }: WaitingTask): WaitingPageData["tasks"][number] {
  const payload = new TextDecoder().decode(body.subarray(0, SHOWN));
  return { ...task, storedAt: storedAt.toISOString(), payload, bytes: body.length };
}

/** The readers of tasks and events. */
export function taskReaders({ broker, database, feed }: Pick<Sources, "broker" | "database" | "feed">) {
  async function find(taskId: string): Promise<TaskData> {
    const settledAt = async (id: string) => {
      const at = await database.transaction((transaction) => getSettledAt(transaction, id));
      return at?.toISOString();
    };
    return taskData(await findTask(broker, taskId, { ledger: database.ledger, settledAt }));
  }
  const late = keepLate(find, { patienceMs: 1_000, rest: 4, atOnce: 4 });

  return {
    /** Waits until it is found, however many messages have to be looked at. */
    task: shared(find, FRESH_MS),

    /** Undefined where many messages have to be looked at: it may be there at the next update. */
    taskSoon: async (taskId: string): Promise<TaskData | undefined> => (await late(taskId))?.result,

    waiting: shared(async ({ task, vo, after }: WaitingChoice): Promise<WaitingPageData> => {
      const of = task === undefined || vo === undefined ? undefined : { task, vo };
      const { tasks, next } = await pageOfWaiting(broker, { of, after, limit: PAGE });
      return { tasks: tasks.map(waitingData), next: next ?? null };
    }, FRESH_MS),

    async events({ task, vo, step, limit }: EventChoice): Promise<EventsData> {
      const wanted = feed.events
        .newest()
        .filter(
          (event) =>
            (task === undefined || event.task === task) &&
            (vo === undefined || event.vo === vo) &&
            (step === undefined || event.step === step),
        );
      return { events: wanted.slice(0, limit).map(eventData) };
    },
  };
}
