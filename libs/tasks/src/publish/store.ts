import type { SpawnedTask } from "../definition/ledger.ts";
import { publishAtomically } from "../broker/atomic_batch.ts";
import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { TASKS } from "../streams/streams.ts";
import { messageOf } from "./task_message.ts";

/** Tasks of one group, and bytes of their payloads: the server holds all of a batch until the last one is here. */
const GROUP_TASKS = 500;
const GROUP_BYTES = 1024 * 1024;
/** Groups under way. The server allows 50 batches for a stream. */
const LANES = 3;
/**
 * A server that takes longer for a message, ms, writes each to the disk before it answers, and a batch only once: there batches are eight
 * times as fast. Elsewhere messages by themselves are faster, by a third.
 */
const SLOW_MS = 0.06;

/** The broker's receipt: the task is stored. */
export interface Published {
  readonly taskId: string;
  readonly stream: string;
  /** Of the stored message, or of the first one where this was a repeat. */
  readonly sequence: number;
  /** The broker had this id already, within its window, and stored nothing. */
  readonly duplicate: boolean;
}

/** Stores one task. Throws what JetStream refuses, and `PublishUnknownError` after 20 s without an answer. */
export async function storeOne(broker: Broker, task: SpawnedTask): Promise<Published> {
  const ack = await publishSurely(broker, messageOf(task));
  return { taskId: task.taskId, stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate };
}

/** A task that is as it must be. */
export interface Prepared {
  readonly task: SpawnedTask;
  /** Of its payload, bytes of JSON. */
  readonly size: number;
}

/** A task on its way, and its place in the answer. */
interface Numbered {
  readonly at: number;
  readonly task: SpawnedTask;
}

interface Outcome {
  readonly published: Published[];
  /** The first refusal by place. */
  refused: { readonly at: number; readonly error: unknown } | undefined;
}

function noteRefusal(outcome: Outcome, at: number, error: unknown): void {
  if (outcome.refused === undefined || at < outcome.refused.at) outcome.refused = { at, error };
}

/** The messages of one batch are of one stream, and those with a time of their own lie on another. */
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
    const messages = group.map(({ task }) => messageOf(task));
    first = await publishAtomically(broker, messages);
  } catch {
    // It does not tell which one was refused, nor without an answer whether all are stored: each is asked for by itself.
    return storeEach(broker, group, outcome);
  }
  for (const [index, { at, task }] of group.entries()) {
    outcome.published[at] = { taskId: task.taskId, stream: TASKS, sequence: first + index, duplicate: false };
  }
};

/**
 * Stores all that `items` make, and returns their receipts in order: the first group task by task, the others in batches where that is faster. Takes from `items` only what is soon on its way.
 *
 * What can be stored is stored; then the first refusal is thrown, of `prepare` or of the broker.
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
