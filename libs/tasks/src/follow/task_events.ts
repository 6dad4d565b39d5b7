// Tested by tests/src/cli/follow_test.ts
import type { Broker } from "../broker/broker.ts";
import { openReader } from "../broker/stream_reader.ts";
import type { LineLevel, StepName } from "../connection/observer.ts";
import { eventLines } from "../format/event_lines.ts";
import { eventSubject, type TaskAddress } from "../format/subject.ts";
import { EVENTS } from "../streams/streams.ts";

/** Greatest number of messages that are read to find the events of one task; some seconds' work. */
const MAX_MESSAGES = 300_000;
/** Greatest size of them, bytes. */
const MAX_BYTES = 100_000_000;
const decoder = new TextDecoder();

/** A step of a task's life, as `EVENTS` keeps it. Its texts are unchanged: escape them before they reach a terminal. */
export interface TaskEvent {
  /** `log`: a line that the run has written, as its `reason`. */
  readonly step: StepName | "log";
  readonly attempt: number;
  /** RFC 3339, by the worker's clock. */
  readonly at: string;
  readonly worker: string;
  readonly tookMs?: number;
  readonly reason?: string;
  /** Of a line. */
  readonly level?: LineLevel;
  /** The trace that the task belongs to. */
  readonly traceId?: string;
}

/** The events of one task that are still there. */
export interface TaskEvents {
  /** Oldest first. */
  readonly events: readonly TaskEvent[];
  /** When the oldest event of any task was stored, RFC 3339; null: there is none. What was before is forgotten. */
  readonly since: string | null;
  /** Whether all of them were looked at. */
  readonly complete: boolean;
  readonly address: TaskAddress | undefined;
}

interface Told extends TaskEvent, TaskAddress {
  readonly taskId: string;
}

/** An event of one task, with the task's name and VO. */
type FoundEvent = TaskEvent & TaskAddress;

/** The events of one task in a message, in order. Those of other tasks and what somebody else has written are left out. */
export function eventsOf(body: string, taskId: string): readonly FoundEvent[] {
  const id = JSON.stringify(taskId);
  // A line is parsed only where it names the id.
  if (!body.includes(id)) return [];
  return eventLines(body).flatMap((line) => (line.includes(id) ? (eventIn(line, taskId) ?? []) : []));
}

function eventIn(line: string, taskId: string): FoundEvent | undefined {
  try {
    const { taskId: id, step, attempt, at, worker, tookMs, reason, level, traceId, task, vo }: Told = JSON.parse(line);
    if (id !== taskId || typeof step !== "string") return undefined;
    return {
      ...{ step, attempt, at, worker, task, vo },
      ...(tookMs && { tookMs }),
      ...(reason && { reason }),
      ...(level && { level }),
      ...(traceId && { traceId }),
    };
  } catch {
    return undefined; // no event of ours
  }
}

/** The subjects of a task's events; of all tasks where its name and VO are not known. */
export function eventSubjects(of: TaskAddress | undefined): string {
  return of === undefined ? "events.>" : eventSubject(of, "*");
}

/**
 * Reads the events of one task. Where more than 300,000 messages or some 100 MB may tell of it, only the newest are looked at. Throws when the
 * broker does not answer.
 */
export async function readTaskEvents(
  broker: Pick<Broker, "nc" | "jsm">,
  taskId: string,
  of: TaskAddress | undefined,
): Promise<TaskEvents> {
  const filter = eventSubjects(of);
  const { state } = await broker.jsm.streams.info(EVENTS, of === undefined ? undefined : { subjects_filter: filter });
  const { messages, bytes, first_seq: first, last_seq: last } = state;
  const count = of === undefined ? messages : Object.values(state.subjects ?? {}).reduce((sum, each) => sum + each, 0);
  const since = messages === 0 ? null : state.first_ts;
  if (count === 0) return { events: [], since, complete: true, address: of };
  const most = Math.min(MAX_MESSAGES, Math.ceil((MAX_BYTES * messages) / bytes));
  const complete = count <= most;
  await using reader = await openReader(broker, {
    ...{ stream: EVENTS, filter, what: "events", content: "whole" },
    from: complete ? first : last - most,
  });
  const events: TaskEvent[] = [];
  let address = of;
  await reader.read(({ data }) => {
    for (const { task, vo, ...step } of eventsOf(decoder.decode(data), taskId)) {
      address ??= { task, vo };
      events.push(step);
    }
    return "more";
  });
  return { events, since, complete, address };
}
