// Tested by tests/src/worker/unique_test.ts
import type { Broker } from "../broker/broker.ts";
import { attemptOf } from "../format/delivery.ts";
import { replacedReason, restoreWaiting } from "../publish/publish_unique.ts";
import {
  type FoundUnique,
  markOf,
  readUnique,
  uniqueClaimOf,
  type UniqueClaim,
  type UniqueEntry,
  type UniqueKey,
  writeUnique,
} from "../publish/unique_entry.ts";
import type { IdentifiedTask } from "./identify.ts";

/** Greatest number of changes of a key that a run meets when it begins or ends. */
const TRIES = 100;
/** Greatest number of begun tasks that are remembered of one key. */
const MAX_BEGUN = 1_000;

/** Whether a task was published under a unique key, so that its beginning and its end must be noted. */
export function hasUniqueKey({ received }: IdentifiedTask): boolean {
  return uniqueClaimOf(received.headers) !== undefined;
}

function keyOf({ received }: IdentifiedTask, { key }: UniqueClaim): UniqueKey {
  return { task: received.definition.name, vo: received.vo, key };
}

/** Whether a task that its key's entry does not name was replaced. Where an older Muster wrote the entry, its age alone tells that. */
function isReplaced({ replacedUpTo, revision }: FoundUnique, claim: UniqueClaim): boolean {
  return replacedUpTo === undefined ? claim.revision < revision : claim.revision <= replacedUpTo;
}

/**
 * Notes that the task of a key waits no longer, since its run begins. Returns why it must not run where another one has replaced it; undefined:
 * it may run.
 *
 * A task is only taken for replaced where its key was claimed after it was published. So a bucket that was lost, or fell back, loses no task. That
 * it was replaced stays in the entry when the newer task has ended: a task may wait in a worker's hand for longer than that one runs.
 *
 * Costs nothing for a task without a key, and two requests for others. Throws when the broker does not answer.
 */
export async function beginUnique(broker: Broker, task: IdentifiedTask): Promise<string | undefined> {
  const { taskId, received } = task;
  const claim = uniqueClaimOf(received.headers);
  // A retry has begun before: also a failure before the run counts as its beginning.
  if (claim === undefined || attemptOf(received.headers) > 1) return undefined;
  const of = keyOf(task, claim);
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await readUnique(broker, of);
    if (!found.exists || found.begun.includes(taskId)) return undefined;
    if (found.waiting?.taskId === taskId) {
      const entry = { begun: [...found.begun, taskId].slice(-MAX_BEGUN), ...markOf(found) };
      if ((await writeUnique(broker, of, { entry, revision: found.revision })) !== undefined) return undefined;
      continue;
    }
    if (!isReplaced(found, claim)) return undefined;
    await restoreWaiting(broker, of, found);
    return replacedReason(found.waiting?.taskId);
  }
  throw new Error(`Cannot begin ${taskId}: others changed its unique key ${TRIES} times meanwhile`);
}

/** The entry without a task that has ended; undefined: it is not in it. */
function without({ waiting, begun, ...mark }: UniqueEntry, taskId: string): UniqueEntry | undefined {
  if (waiting?.taskId !== taskId && !begun.includes(taskId)) return undefined;
  return {
    ...markOf(mark),
    ...(waiting === undefined || waiting.taskId === taskId ? {} : { waiting }),
    begun: begun.filter((each) => each !== taskId),
  };
}

/** Forgets a task that has ended from the entry of its key. Costs nothing for a task without one. Throws when the broker does not answer. */
export async function endUnique(broker: Broker, task: IdentifiedTask): Promise<void> {
  const claim = uniqueClaimOf(task.received.headers);
  if (claim === undefined) return;
  const of = keyOf(task, claim);
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await readUnique(broker, of);
    const entry = without(found, task.taskId);
    if (entry === undefined) return;
    if ((await writeUnique(broker, of, { entry, revision: found.revision })) !== undefined) return;
  }
}
