import type { Broker } from "../broker/broker.ts";
import { createPauseBook, type PauseBook, type PauseNote, printPause } from "./pause_book.ts";
import { keyOfTarget, keysHolding, type QueueTarget, targetOfKey } from "./queue_target.ts";

/** Key prefix of these pauses in the bucket `schedules`. */
export const QUEUE_KEYS = "queue.";

/** A pause of the tasks of a task, a VO, or both. */
export interface QueuePause {
  readonly target: QueueTarget;
  readonly note: PauseNote;
}

/**
 * Pauses a task, a VO, or one task of one VO: no worker takes a new task of it until it is resumed. What runs goes on.
 *
 * In force on every worker within a second. It outlives every process and every restart.
 */
export async function pauseQueue(
  broker: Broker,
  target: QueueTarget,
  note: Omit<PauseNote, "pausedAt"> = {},
): Promise<void> {
  await broker.buckets.schedules.put(QUEUE_KEYS + keyOfTarget(target), printPause(note));
}

/**
 * Removes the pause of exactly this target. A task stays paused for a VO where the whole task or the whole VO is paused.
 *
 * Returns whether there was such a pause.
 */
export async function resumeQueue({ buckets: { schedules } }: Broker, target: QueueTarget): Promise<boolean> {
  const key = QUEUE_KEYS + keyOfTarget(target);
  const entry = await schedules.get(key);
  if (entry?.operation !== "PUT") return false;
  await schedules.delete(key);
  return true;
}

/** The pauses that hold a task for a VO, from the widest. */
export function pausesHolding(pauses: readonly QueuePause[], task: string, vo: string): readonly QueuePause[] {
  const keys: readonly string[] = keysHolding(task, vo);
  return pauses.filter(({ target }) => keys.includes(keyOfTarget(target)));
}

/** All pauses that a book knows, in the order of their keys. Keys that name no target are left out. */
export function pausesIn(book: Pick<PauseBook, "entries">): readonly QueuePause[] {
  return [...book.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, note]) => {
      const target = targetOfKey(key);
      return target === undefined ? [] : [{ target, note }];
    });
}

/** All pauses, as the bucket's leader has them. Throws when nobody answers. */
export async function listQueuePauses(broker: Broker): Promise<readonly QueuePause[]> {
  const book = createPauseBook(broker, QUEUE_KEYS);
  await book.refresh();
  return pausesIn(book);
}
