// Tested by tests/src/worker/unique_test.ts
import type { SpawnedTask } from "../definition/ledger.ts";
import { type Interval, msOf } from "../calendar/schedule.ts";
import type { Unique } from "../definition/unique.ts";
import type { Broker } from "../broker/broker.ts";
import { publishEvent } from "../broker/events.ts";
import { type OutgoingMessage, publishSurely } from "../broker/publish_surely.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import {
  EXPECTED_LAST_SUBJECT_SEQUENCE,
  headerOf,
  MSG_ID,
  oneLine,
  storedHeaders,
  TASK_ID,
  TASK_UNIQUE,
} from "../format/headers.ts";
import { laterSubject } from "../format/subject.ts";
import { keepResult } from "../result/keep_result.ts";
import { readKeptResult } from "../result/kept_result.ts";
import { isStillThere } from "../result/still_there.ts";
import { isConflict, LATER, TASKS } from "../streams/streams.ts";
import type { ResultLedger } from "./handle.ts";
import { type Published, startOfStored } from "./store.ts";
import { delayedMessageOf, messageOf } from "./task_message.ts";
import {
  type FoundUnique,
  laterTokenOf,
  markAfter,
  markOf,
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

/** The id of a claim's message. */
function claimId(taskId: string, revision: number): string {
  return `${taskId}~${revision}`;
}

/**
 * The message of a task under its key. Delayed tasks of one key have one subject in LATER, where the server replaces one by the next.
 *
 * A claim has one message, also where several processes store it: the broker drops repeats by their id, also once the first has fired. So a
 * message that was displaced in LATER is stored again under a claim of its own.
 */
export function uniqueMessageOf(broker: Broker, task: SpawnedTask, claim: UniqueClaim): OutgoingMessage {
  const { startAt } = task;
  // One that has a start goes to LATER also where that has passed, and fires there at once. Else a second one who stores it would be later than
  // the first, choose TASKS, and store it twice.
  const { subject, body, headers } =
    startAt === undefined ? messageOf(broker, task) : delayedMessageOf(broker, { ...task, startAt });
  headers.set(TASK_UNIQUE, uniqueHeader(claim));
  if (startAt === undefined) return { subject, body, headers };
  headers.set(MSG_ID, broker.messageIds.of(claimId(task.taskId, claim.revision)));
  return { subject: laterSubject(task, laterTokenOf(claim.key)), body, headers };
}

interface Stored {
  readonly stream: string;
  readonly sequence: number;
}

interface StoredNow extends Stored {
  /** Whether a message of this id was stored before, so that this one was not. */
  readonly duplicate: boolean;
  /** Whether it has surely displaced the message in LATER whose place it takes: that one had not fired, and nobody has it. */
  readonly hasDisplaced: boolean;
}

/** Stores the message of a claim. `inPlaceOf`: where the message lies whose place it takes. */
async function store(
  broker: Broker,
  message: OutgoingMessage,
  inPlaceOf?: WaitingUnique["stored"],
): Promise<StoredNow> {
  const { headers } = message;
  if (inPlaceOf?.stream === LATER && message.subject.startsWith("later.")) {
    headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(inPlaceOf.sequence));
    try {
      const { stream, seq, duplicate } = await publishSurely(broker, message);
      return { stream, sequence: seq, duplicate, hasDisplaced: !duplicate };
    } catch (error) {
      if (!isConflict(error)) throw error;
      headers.delete(EXPECTED_LAST_SUBJECT_SEQUENCE); // it has fired, or another one has displaced it
    }
  }
  const { stream, seq, duplicate } = await publishSurely(broker, message);
  return { stream, sequence: seq, duplicate, hasDisplaced: false };
}

/** What is remembered of a waiting task once its message is stored. A delayed one keeps its message, which another one may displace. */
function waitingAt({ task, ...waiting }: WaitingUnique, stored: Stored): WaitingUnique {
  const { stream, sequence } = stored;
  return { ...waiting, stored: { stream, sequence }, ...(stream === LATER && task !== undefined ? { task } : {}) };
}

/** Stores the message of a claim that its publisher has perhaps not stored, and notes its place. Its id makes a repeat harmless. */
async function storeClaimed(
  broker: Broker,
  of: UniqueKey,
  {
    waiting,
    task,
    begun,
    revision,
    ...found
  }: FoundUnique & { readonly waiting: WaitingUnique; readonly task: SpawnedTask },
): Promise<Stored> {
  const stored = await store(broker, uniqueMessageOf(broker, task, { key: of.key, revision }));
  const entry = { waiting: waitingAt(waiting, stored), begun, ...markOf(found) };
  // If this fails, another process has helped as well, or a worker has begun it.
  await writeUnique(broker, of, { entry, revision });
  return stored;
}

/** Claims a key again for the task that holds it, since its message must be stored once more. Undefined: the entry was changed meanwhile. */
async function claimAgain(broker: Broker, of: UniqueKey, found: FoundUnique): Promise<FoundUnique | undefined> {
  const { stored: _, ...waiting } = found.waiting ?? { taskId: "" };
  const entry = { waiting, begun: found.begun, ...markOf(found) };
  const revision = await writeUnique(broker, of, { entry, revision: found.revision });
  return revision === undefined ? undefined : { ...entry, revision, exists: true };
}

/**
 * Stores the message of a key's waiting task again where it may be missing. Its publisher may have died before, or the message of a replaced
 * task may have displaced it in LATER. A displaced one gets a new claim first: where a worker has begun it meanwhile, the entry has changed.
 */
export async function restoreWaiting(broker: Broker, of: UniqueKey, found: FoundUnique): Promise<void> {
  const { waiting } = found;
  if (waiting?.task === undefined) return;
  const { taskId, task, stored } = waiting;
  if (stored === undefined) {
    await storeClaimed(broker, of, { ...found, waiting, task });
    return;
  }
  if (await isStillThere(broker, { task: of.task, vo: of.vo, taskId, stored })) return;
  const again = await claimAgain(broker, of, found);
  if (again?.waiting !== undefined) await storeClaimed(broker, of, { ...again, waiting: again.waiting, task });
}

/** The task of a key that truly waits, with its place; undefined: none does. Stores its message where its publisher has died before. */
async function whoWaits(
  broker: Broker,
  of: UniqueKey,
  found: FoundUnique,
): Promise<Required<Pick<WaitingUnique, "taskId" | "stored">> | undefined> {
  const { waiting } = found;
  if (waiting === undefined) return undefined;
  const { taskId, stored, task } = waiting;
  if (stored !== undefined) {
    const isThere = await isStillThere(broker, { task: of.task, vo: of.vo, taskId, stored });
    return isThere ? { taskId, stored } : undefined;
  }
  if (task === undefined) return undefined;
  return { taskId, stored: await storeClaimed(broker, of, { ...found, waiting, task }) };
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

/** The message of a claim, where it lies. */
interface Placed extends StoredNow {
  /** Whether the task had ended before, and is not stored again. */
  readonly hasEnded: boolean;
  /** Revision of the entry in which its place is noted. */
  readonly noteAt: number;
}

/**
 * Stores the message of a new claim. The broker may know the id and not have the message any more: the task has ended, or was replaced. Then this
 * is a repeat, and nothing is stored. But where it took the place of another one, that one would be lost with it, so it is stored anew.
 */
async function place(
  broker: Broker,
  of: UniqueKey,
  {
    task,
    replaced,
    claimed,
  }: { readonly task: SpawnedTask; readonly replaced: WaitingUnique | undefined; readonly claimed: FoundUnique },
): Promise<Placed> {
  const { key, vo } = of;
  const { taskId } = task;
  const stored = await store(
    broker,
    uniqueMessageOf(broker, task, { key, revision: claimed.revision }),
    replaced?.stored,
  );
  const here: Placed = { ...stored, hasEnded: false, noteAt: claimed.revision };
  // In LATER the id is that of the claim, and not of the task.
  if (!stored.duplicate || stored.stream === LATER) return here;
  if (await isStillThere(broker, { task: of.task, vo, taskId, stored })) return here;
  if (replaced === undefined) return { ...here, hasEnded: true };
  const again = await claimAgain(broker, of, claimed);
  if (again === undefined) return here; // another one has claimed the key, or a worker has begun the task
  const message = uniqueMessageOf(broker, task, { key, revision: again.revision });
  message.headers.set(MSG_ID, broker.messageIds.of(claimId(taskId, again.revision)));
  return { ...(await store(broker, message)), hasEnded: false, noteAt: again.revision };
}

/** What a unique publish asks for, and the ledger of its task where the publisher has one. */
interface Asked {
  readonly unique: Unique;
  readonly ledger: ResultLedger | undefined;
}

/**
 * Whether a task that is published again has ended before, so that it would take the place of another one and not run. The ledger tells, and the
 * result of a task that keeps it; without both nobody does.
 */
async function hasEndedBefore(
  broker: Broker,
  { taskId, keepResultMs }: SpawnedTask,
  ledger: ResultLedger | undefined,
): Promise<boolean> {
  // The row of a task that waits for its retry has begun under its key, and is met above.
  if ((await ledger?.recall(taskId)) !== undefined) return true;
  return keepResultMs !== undefined && (await readKeptResult(broker, taskId))?.outcome === "done";
}

/**
 * Publishes a task under a key: claims the key by compare-and-set, stores the message, and notes its place. The next
 * publisher of the key does the rest for one that has died (PROTOCOL 15).
 *
 * Throws what JetStream refuses, and `PublishUnknownError`. To publish again under the same id is safe.
 */
export async function storeUnique(
  broker: Broker,
  task: SpawnedTask,
  { unique, ledger }: Asked,
): Promise<PublishedUnique> {
  const { key, mode } = unique;
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
        return {
          published: { ...repeat(waits.taskId, waits.stored), ...(standing?.startAt && { startAt: standing.startAt }) },
          keepResultMs: standing?.keepResultMs,
        };
    }
    const waiting: WaitingUnique = {
      ...{ taskId, task },
      ...(keepResultMs === undefined ? {} : { keepResultMs }),
      ...(startAt === undefined ? {} : { startAt }),
    };
    const replaced = standing !== undefined && standing.taskId !== taskId ? standing : undefined;
    if (replaced !== undefined && (await hasEndedBefore(broker, task, ledger)))
      return { published: repeat(taskId, { stream: TASKS, sequence: 0 }), keepResultMs };
    // All claims so far are over, but for those of tasks that have begun. It is noted before anybody is told, and before the message goes.
    const mark = replaced === undefined ? markOf(found) : markAfter(found, replaced);
    const claim = { waiting, begun: found.begun, ...mark };
    const revision = await writeUnique(broker, of, { entry: claim, revision: found.revision });
    if (revision === undefined) continue;
    const placed = await place(broker, of, { task, replaced, claimed: { ...claim, revision, exists: true } });
    const { duplicate, hasDisplaced, hasEnded, noteAt, ...stored } = placed;
    if (replaced !== undefined) await takeAway(broker, of, { ...replaced, by: taskId });
    // A message that was displaced before it fired is in nobody's hand, and no mark need tell of it.
    const entry = {
      ...(hasEnded ? {} : { waiting: waitingAt(waiting, stored) }),
      ...{ begun: found.begun, ...(hasDisplaced ? markOf(found) : mark) },
    };
    const noted = await writeUnique(broker, of, { entry, revision: noteAt });
    // Another one may have claimed the key meanwhile, and our message may have displaced its own in LATER.
    if (noted === undefined && stored.stream === LATER) await restoreOther(broker, of, taskId);
    const told = { ...(replaced && { replaced: replaced.taskId }), ...startOfStored(task, hasEnded) };
    return { published: { taskId, ...stored, duplicate, ...told }, keepResultMs };
  }
  throw new Error(`Cannot publish ${task.task} under key ${JSON.stringify(key)}: ${TRIES} others did so meanwhile`);
}

async function restoreOther(broker: Broker, of: UniqueKey, taskId: string): Promise<void> {
  const now = await readUnique(broker, of);
  if (now.waiting?.taskId !== taskId) await restoreWaiting(broker, of, now);
}
