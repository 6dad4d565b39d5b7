import { retryMessageOf } from "../publish/task_message.ts";
import type { Broker } from "../broker/broker.ts";
import { headersFrom } from "../format/headers.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { LATER } from "../streams/streams.ts";
import { checkLiteralSubject, dueSubject, laterSubject, type TaskAddress } from "../format/subject.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { listWaitingIds } from "../broker/waiting_ids.ts";

/** Greatest number of messages that are looked up one by one. For more, the subjects of LATER are listed. */
const FEW = 500;
const AT_ONCE = 64;

/** A task that will be tried again, as a ledger has it. */
export interface RecordedRetry extends TaskAddress {
  readonly taskId: string;
  /** The attempt that failed. */
  readonly attempt: number;
}

/** The same, with everything that its message is made of. */
export interface WholeRetry extends RecordedRetry {
  /** RFC 3339, UTC. */
  readonly dueAt: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A message that is looked for. */
interface Sought<Of extends TaskAddress> {
  readonly of: Of;
  /** Its subject while it waits for its time. */
  readonly subject: string;
}

async function absentFromLater<Of extends TaskAddress>(
  { jsm }: Pick<Broker, "jsm">,
  sought: readonly Sought<Of>[],
): Promise<readonly Sought<Of>[]> {
  if (sought.length > FEW) {
    const { state } = await jsm.streams.info(LATER, { subjects_filter: "later.>" });
    const subjects = state.subjects ?? {};
    return sought.filter(({ subject }) => !Object.hasOwn(subjects, subject));
  }
  const found = await inParallel(sought, AT_ONCE, ({ subject }) =>
    jsm.streams.getMessage(LATER, { last_by_subj: checkLiteralSubject(subject) }),
  );
  return sought.filter((_, index) => found[index] === null);
}

/**
 * Leaves out tasks of a task name and VO of which a message has fired and not come to TASKS yet.
 *
 * A fired message no longer has its id in the subject, so it cannot be told whose it is. It stays there while TASKS has lost its source or
 * accepts nothing. Storing the task again each time would add one message after another.
 */
async function withoutFired<Of extends TaskAddress>(
  { jsm }: Pick<Broker, "jsm">,
  sought: readonly Sought<Of>[],
): Promise<readonly Sought<Of>[]> {
  if (sought.length === 0) return sought;
  const { state } = await jsm.streams.info(LATER, { subjects_filter: "due.>" });
  const fired = state.subjects ?? {};
  return sought.filter(({ of }) => !Object.hasOwn(fired, dueSubject(of)));
}

async function absentFromTasks<Of extends TaskAddress & { readonly taskId: string }>(
  broker: Pick<Broker, "jsm">,
  sought: readonly Sought<Of>[],
): Promise<readonly Sought<Of>[]> {
  const absent: Sought<Of>[] = [];
  for (const group of Map.groupBy(sought, ({ of: { task, vo } }) => `${task}.${vo}`).values()) {
    const [first] = group;
    if (first === undefined) continue;
    const { ids, complete } = await listWaitingIds(broker, first.of);
    // Where more messages wait than can be looked at, it may be one of them.
    if (complete) absent.push(...group.filter(({ of }) => !ids.has(of.taskId)));
  }
  return absent;
}

/**
 * Finds those whose message is nowhere. A message goes one way: the attempt's own in TASKS, then the next one's in LATER, then that one in
 * TASKS.
 *
 * Each store is looked at twice, in turns, so that a moving message is met in one of them.
 */
async function findLost<Of extends TaskAddress & { readonly taskId: string }>(
  broker: Pick<Broker, "jsm">,
  sought: readonly Sought<Of>[],
): Promise<readonly Of[]> {
  let left = sought;
  for (let turn = 0; turn < 2 && left.length > 0; turn++) {
    left = await absentFromTasks(broker, await withoutFired(broker, await absentFromLater(broker, left)));
  }
  return left.map(({ of }) => of);
}

/**
 * Those of `retries` whose message neither LATER nor TASKS holds.
 *
 * Give rows that are some seconds old, and read the ledger again afterwards: a task that has gone on has another row. Throws where the
 * broker is silent.
 */
export function findLostRetries<Retry extends RecordedRetry>(
  broker: Pick<Broker, "jsm">,
  retries: readonly Retry[],
): Promise<readonly Retry[]> {
  const sought = retries.map((of) => ({ of, subject: laterSubject(of, `${of.taskId}~${of.attempt + 1}`) }));
  return findLost(broker, sought);
}

/** A task that was published a while ago. */
export interface PublishedTask extends TaskAddress {
  readonly taskId: string;
}

/**
 * Those of `tasks` whose message neither LATER nor TASKS holds: they have ended, were lost, or wait for a retry. Throws where the broker is
 * silent.
 */
export function findLostTasks<Task extends PublishedTask>(
  broker: Pick<Broker, "jsm">,
  tasks: readonly Task[],
): Promise<readonly Task[]> {
  return findLost(
    broker,
    tasks.map((of) => ({ of, subject: laterSubject(of, of.taskId) })),
  );
}

/** Stores a retry's message again. A message that is still there is replaced. One that has fired meanwhile has no second effect. */
export async function publishRetry(broker: Broker, retry: WholeRetry): Promise<void> {
  const { task, vo, taskId, dueAt, body } = retry;
  const headers = headersFrom(retry.headers);
  const next = retryMessageOf({ task, vo, taskId, attempt: retry.attempt + 1, dueAt, errors: [], headers });
  await publishSurely(broker, { ...next, body });
}
