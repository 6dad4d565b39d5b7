import type { SpawnedTask } from "../definition/ledger.ts";
import type { Prepared } from "../definition/prepare.ts";
import { publishAtomically } from "../broker/atomic_batch.ts";
import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { TASKS } from "../streams/streams.ts";
import { messageOf } from "./task_message.ts";

/**
 * Greatest number of tasks in one group, and of bytes of their payloads. The server holds all of a batch until the last message arrives.
 */
const GROUP_TASKS = 500;
const GROUP_BYTES = 1024 * 1024;
/** Greatest number of groups under way. The server allows 50 batches for a stream. */
const LANES = 3;
/**
 * Smallest time for a message, ms, that shows a server which writes each message to the disk before it answers. It writes a batch only
 * once: there batches are eight times as fast. Elsewhere single messages are faster, by a third.
 */
const SLOW_MS = 0.06;

/** The broker's receipt: the task is stored. */
export interface Published {
  readonly taskId: string;
  readonly stream: string;
  /** Sequence of the stored message, or of the first one where this was a repeat. */
  readonly sequence: number;
  /** The broker had this id already, within its window, and stored nothing. Or another task of its unique key waits. */
  readonly duplicate: boolean;
  /** The task that stands in place of this one, under its unique key; absent: none does. `taskId` is then its id too. */
  readonly duplicateOf?: string;
  /** The waiting task whose place this one has taken under its unique key; absent: none. */
  readonly replaced?: string;
  /** Earliest start of the task, or of the one that stands in its place, RFC 3339 in UTC; absent: at once, or a repeat. */
  readonly startAt?: string;
}

/** The start to tell of a task that was stored just now. */
export function startOfStored({ startAt }: SpawnedTask, isRepeat: boolean): Pick<Published, "startAt"> {
  return startAt === undefined || isRepeat ? {} : { startAt };
}

/** Stores one task. Throws what JetStream refuses, and `PublishUnknownError` after 20 s without an answer. */
export async function storeOne(broker: Broker, task: SpawnedTask): Promise<Published> {
  const ack = await publishSurely(broker, messageOf(broker, task));
  const { stream, seq: sequence, duplicate } = ack;
  return { taskId: task.taskId, stream, sequence, duplicate, ...startOfStored(task, duplicate) };
}

/** A task to store, and its place in the result. */
interface Numbered {
  readonly at: number;
  readonly task: SpawnedTask;
}

interface Outcome {
  readonly published: Published[];
  /** The refusal with the lowest place. */
  refused: { readonly at: number; readonly error: unknown } | undefined;
}

function noteRefusal(outcome: Outcome, at: number, error: unknown): void {
  if (outcome.refused === undefined || at < outcome.refused.at) outcome.refused = { at, error };
}

/** Whether a task goes to TASKS. A batch holds messages of one stream, and tasks with a time of their own go to another. */
function isOfTasks({ task: { startAt } }: Numbered): boolean {
  return startAt === undefined;
}

type StoreGroup = (broker: Broker, group: readonly Numbered[], outcome: Outcome) => Promise<void>;

const storeEach: StoreGroup = async (broker, group, outcome) => {
  const one = async ({ at, task }: Numbered) => {
    try {
      outcome.published[at] = await storeOne(broker, task);
    } catch (error) {
      noteRefusal(outcome, at, error);
    }
  };
  await Promise.all(group.map(one));
};

const storeBatch: StoreGroup = async (broker, group, outcome) => {
  if (!group.every(isOfTasks)) return storeEach(broker, group, outcome);
  let first: number;
  try {
    const messages = group.map(({ task }) => messageOf(broker, task));
    first = await publishAtomically(broker, messages);
  } catch {
    // The answer does not say which message was refused. Without an answer nobody knows whether all are stored. So each is stored by
    // itself.
    return storeEach(broker, group, outcome);
  }
  for (const [index, { at, task }] of group.entries()) {
    outcome.published[at] = { taskId: task.taskId, stream: TASKS, sequence: first + index, duplicate: false };
  }
};

/**
 * Stores all tasks that `prepare` makes of `items`, and returns their receipts in order. The first group is stored task by task, the others
 * in batches where that is faster. Takes only as many `items` as it soon sends.
 *
 * Stores everything that can be stored, and then throws the first refusal, of `prepare` or of the broker.
 */
export async function storeMany<Item>(
  broker: Broker,
  items: Iterable<Item>,
  prepare: (item: Item) => Promise<Prepared>,
): Promise<readonly Published[]> {
  const outcome: Outcome = { published: [], refused: undefined };
  const iterator = items[Symbol.iterator]();
  let next = 0;

  async function fill(): Promise<Numbered[]> {
    const group: Numbered[] = [];
    let bytes = 0;
    while (group.length < GROUP_TASKS && bytes < GROUP_BYTES) {
      const { value, done } = iterator.next();
      if (done) break;
      const at = next++;
      try {
        const { task, size } = await prepare(value);
        bytes += size;
        group.push({ at, task });
      } catch (error) {
        noteRefusal(outcome, at, error);
      }
    }
    return group;
  }

  async function lane(store: StoreGroup): Promise<void> {
    for (let group = await fill(); group.length > 0; group = await fill()) await store(broker, group, outcome);
  }

  const probe = await fill();
  const startedAtMs = performance.now();
  await storeEach(broker, probe, outcome);
  const isSlow = performance.now() - startedAtMs > SLOW_MS * probe.length;
  await Promise.all(Array.from({ length: LANES }, () => lane(isSlow ? storeBatch : storeEach)));
  if (outcome.refused !== undefined) throw outcome.refused.error;
  return outcome.published;
}
