// Tested by tests/src/worker/operate_test.ts
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { nextStored } from "../broker/stored_messages.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { createTasksInForce } from "../configuration/tasks_in_force.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Priority } from "../definition/traits.ts";
import { InvalidNameError } from "../format/names.ts";
import { parseTaskSubject, type TaskAddress, taskSubject } from "../format/subject.ts";
import { listWaiting, type Waiting } from "../publish/waiting.ts";
import { laneOf } from "../pull/lane_needs.ts";
import { EVENTS, TASKS } from "../streams/streams.ts";
import { countEventsSince } from "./count_events.ts";
import { isEnd } from "./find_task.ts";
import type { StepName } from "../connection/observer.ts";

/** Time over which ended tasks are counted, ms. */
const WINDOW_MS = 60_000;
/** Greatest number of lanes whose oldest task is looked up, and whose ended tasks are counted: those with most work. */
const LOOKED_AT = 1_000;
const RATED = 200;
/** Number of questions that are asked at the same time. */
const AT_ONCE = 50;

/** What waits and runs of one task and VO. */
export interface QueueFigures extends Waiting {
  /** Null where its definition is not among those that the caller knows. */
  readonly priority: Priority | null;
  /** In TASKS, and not delivered to a worker yet. */
  readonly waiting: number;
  /** Delivered to a worker and not settled: it runs, is buffered there or waits for a lock. Those that were handed back are among them. */
  readonly inHand: number;
  /** When the oldest of those that wait was stored, RFC 3339; null: none waits, or more than 1,000 lanes have work. */
  readonly oldestAt: string | null;
  /** When a task of it was last delivered to a worker, RFC 3339; null: never, as far as its consumer knows. */
  readonly lastTakenAt: string | null;
  /** Tasks that ended in the last minute, as far as events tell; by a sample where some hundreds of messages tell of them; null: not counted. */
  readonly endedPerMinute: number | null;
}

/** What is known of the tasks whose queues are listed, and what is counted. */
export interface QueueOptions {
  /** Definitions that the caller knows, for the priorities. */
  readonly tasks?: readonly AnyTask[];
  /** What the configuration says of priorities. */
  readonly configuration?: Configuration;
  /** Whether ended tasks are counted, which costs three requests for each lane that is counted, and twelve for a busy one; default `ended`. */
  readonly rates?: "ended" | "none";
}

/** What is known of one lane so far. */
interface Lane extends Waiting {
  inHand: number;
  /** Sequence behind which all messages wait for their first delivery; 0: nothing was delivered. */
  deliveredTo: number;
  lastTakenAt: string | null;
  /** Subjects of EVENTS that tell of its ended tasks, and how many messages they have. */
  readonly ends: string[];
  endsKept: number;
}

function keyOf({ task, vo }: TaskAddress): string {
  return `${task}.${vo}`;
}

/** The address and the step in a subject of EVENTS; undefined where it is none of ours. */
function eventIn(subject: string): (TaskAddress & { readonly step: string }) | undefined {
  const cut = subject.lastIndexOf(".");
  try {
    return { ...parseTaskSubject(subject.slice(0, cut)), step: subject.slice(cut + 1) };
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined;
    throw error;
  }
}

/** The server sends a time as text, other than the client's types say. */
function timeIn(value: unknown): string | null {
  return typeof value === "string" ? new Date(value).toISOString() : null;
}

/** Runs `work` for all items, some at a time. */
async function forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = items.values();
  async function take(): Promise<void> {
    for (const item of left) await work(item);
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, take));
}

async function readLanes({ jsm }: Broker, waiting: readonly Waiting[], rates: boolean): Promise<Map<string, Lane>> {
  const lanes = new Map<string, Lane>();
  const laneAt = (address: TaskAddress): Lane => {
    const { task, vo } = address;
    const known = lanes.get(keyOf(address));
    const nothing = { ready: 0, delayed: 0, inHand: 0, deliveredTo: 0, lastTakenAt: null };
    const lane = known ?? { task, vo, ...nothing, ends: [], endsKept: 0 };
    lanes.set(keyOf(address), lane);
    return lane;
  };
  for (const each of waiting) lanes.set(keyOf(each), { ...laneAt(each), ...each });
  for await (const info of jsm.consumers.list(TASKS)) {
    const address = laneOf(info);
    if (address === undefined) continue;
    const lane = lanes.get(keyOf(address));
    if (lane === undefined) continue; // it has nothing in TASKS
    lane.inHand = Math.min(info.num_ack_pending, lane.ready);
    lane.deliveredTo = info.delivered.stream_seq;
    lane.lastTakenAt = timeIn(info.delivered.last_active);
  }
  if (!rates) return lanes;
  const { state } = await jsm.streams.info(EVENTS, { subjects_filter: "events.>" });
  for (const [subject, messages] of Object.entries(state.subjects ?? {})) {
    const event = eventIn(subject);
    if (event === undefined || !isEnd(event.step as StepName)) continue;
    const lane = laneAt(event);
    lane.ends.push(subject);
    lane.endsKept += messages;
  }
  return lanes;
}

/** Counts ended tasks of the first lanes. Those that are missing in the result were not counted. */
async function countEnded(broker: Broker, lanes: readonly Lane[]): Promise<ReadonlyMap<Lane, number>> {
  const since = new Date(Date.now() - WINDOW_MS);
  const counted = new Map<Lane, number>();
  for (const lane of lanes) if (lane.ends.length === 0) counted.set(lane, 0);
  const rated = lanes.filter(({ ends }) => ends.length > 0).slice(0, RATED);
  try {
    await forEach(rated, async (lane) => {
      counted.set(lane, await countEventsSince(broker, { subjects: lane.ends, since }));
    });
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error; // the account may have no room for a consumer
  }
  return counted;
}

/** When the oldest message of the lane was stored that no worker has had yet. */
async function oldestOf({ jsm }: Broker, lane: Lane): Promise<string | null> {
  const stored = await nextStored(jsm, TASKS, { from: lane.deliveredTo + 1, subject: taskSubject(lane) });
  return stored === null ? null : new Date(stored.timestamp).toISOString();
}

/**
 * What waits and runs of each task and VO, by task and VO in their order. Leaves out those with nothing, unless a task of theirs has ended in
 * the last minute.
 *
 * Its cost grows with the number of tasks and VOs that have work, and not with how many tasks wait. Throws when nobody answers.
 *
 * ```ts
 * for (const { task, vo, waiting, inHand } of await listQueues(broker)) console.log(task, vo, waiting, inHand);
 * ```
 */
export async function listQueues(broker: Broker, options: QueueOptions = {}): Promise<readonly QueueFigures[]> {
  const { tasks = [], configuration, rates = "ended" } = options;
  const lanes = await readLanes(broker, await listWaiting(broker), rates === "ended");
  const waitingOf = ({ ready, inHand }: Lane) => ready - inHand;
  const byWork = [...lanes.values()].sort((a, b) => waitingOf(b) - waitingOf(a) || b.endsKept - a.endsKept);
  const ended = rates === "ended" ? await countEnded(broker, byWork) : new Map<Lane, number>();
  const oldest = new Map<Lane, string | null>();
  await forEach(byWork.filter((lane) => waitingOf(lane) > 0).slice(0, LOOKED_AT), async (lane) => {
    oldest.set(lane, await oldestOf(broker, lane));
  });
  const known = new Map(tasks.map((task) => [task.name, task]));
  const inForce =
    configuration === undefined
      ? undefined
      : createTasksInForce({ configuration: () => configuration, longestMs: undefined, onUnusable() {} });
  const priorityOf = ({ task, vo }: Lane): Priority | null => {
    const definition = known.get(task);
    return definition === undefined ? null : (inForce?.of(definition, vo) ?? definition).priority;
  };
  return [...lanes]
    .filter(([, lane]) => lane.ready + lane.delayed > 0 || (ended.get(lane) ?? 0) > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([, lane]): QueueFigures => ({
        ...{ task: lane.task, vo: lane.vo, priority: priorityOf(lane) },
        ...{ ready: lane.ready, waiting: waitingOf(lane), inHand: lane.inHand, delayed: lane.delayed },
        lastTakenAt: lane.lastTakenAt,
        ...{ oldestAt: oldest.get(lane) ?? null, endedPerMinute: ended.get(lane) ?? null },
      }),
    );
}
