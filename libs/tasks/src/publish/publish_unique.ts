// Tested by tests/src/worker/unique_test.ts
import type { SpawnedTask } from "../definition/ledger.ts";
import { type Interval, msOf } from "../calendar/schedule.ts";
import type { Unique } from "../definition/unique.ts";
import type { Broker } from "../broker/broker.ts";
import { publishEvent } from "../broker/events.ts";
import { type OutgoingMessage, publishSurely } from "../broker/publish_surely.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import { headerOf, MSG_ID, oneLine, storedHeaders, TASK_ID, TASK_UNIQUE } from "../format/headers.ts";
import { laterSubject } from "../format/subject.ts";
import { keepResult } from "../result/keep_result.ts";
import { isStillThere } from "../result/still_there.ts";
import { LATER, TASKS } from "../streams/streams.ts";
import type { Published } from "./store.ts";
import { messageOf } from "./task_message.ts";
import {
  type FoundUnique,
  laterTokenOf,
  readUnique,
  type UniqueClaim,
  type UniqueKey,
  uniqueHeader,
  type WaitingUnique,
  writeUnique,
} from "./unique_entry.ts";

/** Greatest number of times that a publish meets another one of its key and begins again. */
const TRIES = 100;
/** Longest quiet time of a debounce, ms. */
const LONGEST_WAIT_MS = 30 * 86_400_000;
/** Who tells in an event that a task was replaced. */
const TELLER = "publisher";

/** A unique task that stands, and how long its result is kept. */
export interface PublishedUnique {
  readonly published: Published;
  /** Undefined: it is not. */
  readonly keepResultMs: number | undefined;
}

/** The quiet time of a debounce, ms. Throws `RangeError`. */
export function waitMsOf(task: string, wait: Interval): number {
  const ms = msOf(wait);
  if (ms > 0 && ms <= LONGEST_WAIT_MS) return ms;
  throw new RangeError(`Cannot debounce ${task} by ${JSON.stringify(wait)}: give up to 30 days, as in { seconds: 5 }`);
}

/** The message of a task under its key. Delayed tasks of one key have one subject in LATER, where the server replaces one by the next. */
export function uniqueMessageOf(task: SpawnedTask, claim: UniqueClaim): OutgoingMessage {
  const message = messageOf(task);
  const { headers } = message;
  headers.set(TASK_UNIQUE, uniqueHeader(claim));
  if (!message.subject.startsWith("later.")) return message;
  // The subject makes a repeat harmless, also after others have replaced it in between.
  headers.delete(MSG_ID);
  return { ...message, subject: laterSubject(task, laterTokenOf(claim.key)) };
}

interface Stored {
  readonly stream: string;
  readonly sequence: number;
}

async function store(broker: Broker, task: SpawnedTask, claim: UniqueClaim): Promise<Stored & { duplicate: boolean }> {
  const { stream, seq, duplicate } = await publishSurely(broker, uniqueMessageOf(task, claim));
  return { stream, sequence: seq, duplicate };
}

/** What is remembered of a waiting task once its message is stored. A delayed one keeps its message, which another one may displace. */
function waitingAt({ task, ...waiting }: WaitingUnique, stored: Stored): WaitingUnique {
  const { stream, sequence } = stored;
  return { ...waiting, stored: { stream, sequence }, ...(stream === LATER && task !== undefined ? { task } : {}) };
}

/**
 * Stores the message of a key's waiting task again where it may be missing. Its publisher may have died before, or the message of a replaced
 * task may have displaced it in LATER. The same id makes a repeat harmless.
 */
export async function restoreWaiting(broker: Broker, of: UniqueKey, { waiting, revision }: FoundUnique): Promise<void> {
  if (waiting?.task === undefined) return;
  const { taskId, task, stored } = waiting;
  const { vo } = of;
  if (stored !== undefined && (await isStillThere(broker, { task: of.task, vo, taskId, stored }))) return;
  await store(broker, task, { key: of.key, revision });
}

/** The task of a key that truly waits, with its place; undefined: none does. Stores its message where its publisher has died before. */
async function whoWaits(
  broker: Broker,
  of: UniqueKey,
  found: FoundUnique,
): Promise<Required<Pick<WaitingUnique, "taskId" | "stored">> | undefined> {
  const { waiting, begun, revision } = found;
  if (waiting === undefined) return undefined;
  const { taskId, stored, task } = waiting;
  if (stored !== undefined) {
    const isThere = await isStillThere(broker, { task: of.task, vo: of.vo, taskId, stored });
    return isThere ? { taskId, stored } : undefined;
  }
  if (task === undefined) return undefined;
  const { stream, sequence } = await store(broker, task, { key: of.key, revision });
  const entry = { waiting: waitingAt(waiting, { stream, sequence }), begun };
  // If this fails, another process has helped as well, or a worker has begun it.
  await writeUnique(broker, of, { entry, revision });
  return { taskId, stored: { stream, sequence } };
}

/** A task whose place another one has taken. */
interface Replaced extends WaitingUnique {
  readonly by: string;
}

/** Takes away the message of a replaced task where it still waits in TASKS, and tells of its end. A worker that has it in hand drops it. */
async function takeAway(broker: Broker, of: UniqueKey, replaced: Replaced): Promise<void> {
  const { taskId, stored, keepResultMs, by } = replaced;
  if (stored === undefined) return;
  const { task, vo } = of;
  if (stored.stream === TASKS) {
    const message = await broker.jsm.streams.getMessage(TASKS, { seq: stored.sequence });
    if (message === null || headerOf(storedHeaders(message), TASK_ID) !== taskId) return;
    await deleteStored(broker, TASKS, stored.sequence);
  }
  const error = replacedReason(by);
  if (keepResultMs !== undefined) {
    await keepResult(broker, {
      ...{ taskId, keepMs: keepResultMs, task, vo, attempt: 1, outcome: "dropped", result: null, error },
      ...{ endedAt: new Date().toISOString(), parent: null, children: 0 },
    });
  }
  publishEvent(broker, TELLER, { step: "dropped", task, vo, taskId, attempt: 1, reason: error });
}

/** The error of a task that another one of its key has replaced. */
export function replacedReason(by: string | undefined): string {
  return oneLine(`replaced by ${by ?? "a later one"}, which was published under the same unique key`);
}

function repeat(taskId: string, stored: Stored): Published {
  return { taskId, ...stored, duplicate: true, duplicateOf: taskId };
}

/**
 * Publishes a task under a key: claims the key by compare-and-set, stores the message, and notes its place. The next
 * publisher of the key does the rest for one that has died (PROTOCOL 15).
 *
 * Throws what JetStream refuses, and `PublishUnknownError`. To publish again under the same id is safe.
 */
export async function storeUnique(broker: Broker, task: SpawnedTask, { key, mode }: Unique): Promise<PublishedUnique> {
  const of: UniqueKey = { task: task.task, vo: task.vo, key };
  const { taskId, keepResultMs, startAt } = task;
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await readUnique(broker, of);
    if (found.begun.includes(taskId))
      return { published: repeat(taskId, { stream: TASKS, sequence: 0 }), keepResultMs };
    const standing = found.waiting;
    if (mode === "one waiting" || standing?.taskId === taskId) {
      const waits = await whoWaits(broker, of, found);
      if (waits !== undefined)
        return { published: repeat(waits.taskId, waits.stored), keepResultMs: standing?.keepResultMs };
    }
    const waiting: WaitingUnique = {
      ...{ taskId, task },
      ...(keepResultMs === undefined ? {} : { keepResultMs }),
      ...(startAt === undefined ? {} : { startAt }),
    };
    const revision = await writeUnique(broker, of, {
      entry: { waiting, begun: found.begun },
      revision: found.revision,
    });
    if (revision === undefined) continue;
    const { duplicate, ...stored } = await store(broker, task, { key, revision });
    const replaced = standing !== undefined && standing.taskId !== taskId ? standing : undefined;
    if (replaced !== undefined) await takeAway(broker, of, { ...replaced, by: taskId });
    const entry = { waiting: waitingAt(waiting, stored), begun: found.begun };
    const noted = await writeUnique(broker, of, { entry, revision });
    // Another one may have claimed the key meanwhile, and our message may have displaced its own in LATER.
    if (noted === undefined && stored.stream === LATER) await restoreOther(broker, of, taskId);
    const published = { taskId, ...stored, duplicate, ...(replaced && { replaced: replaced.taskId }) };
    return { published, keepResultMs };
  }
  throw new Error(`Cannot publish ${task.task} under key ${JSON.stringify(key)}: ${TRIES} others did so meanwhile`);
}

async function restoreOther(broker: Broker, of: UniqueKey, taskId: string): Promise<void> {
  const now = await readUnique(broker, of);
  if (now.waiting?.taskId !== taskId) await restoreWaiting(broker, of, now);
}
