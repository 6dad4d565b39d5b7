// Tested by tests/src/worker/newer_payload_test.ts
import type { Broker } from "../broker/broker.ts";
import { createReminder } from "../connection/reminder.ts";
import { NewerPayloadError } from "./identify.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { listWorkers, type NewerPayload, RENEW_MS, type WorkerRecord } from "../presence/registration.ts";

/** Time without the message after which it is forgotten, ms. It comes back every half minute until it was run or put away. */
const FORGOTTEN_MS = 90_000;
/** Largest number of messages that one worker remembers. */
const MAX_REMEMBERED = 1_000;
/** Shortest time between two alarms about the same version, ms. */
const TOLD_EVERY_MS = 600_000;
/** Delay of a message that goes back while no other running worker knows its version, ms. It is also the longest one. */
const ALONE_DELAY_MS = 30_000;
/** Shortest delay where another one does, ms. The server then has other pulls to give the message to. */
const BESIDE_DELAY_MS = 100;
/** Time between two messages of one worker that come back, ms. So an old worker beside new ones costs 20 messages a second at most. */
const SPACING_MS = 50;
/** Time for which a list of the running workers is good, ms. */
const LIST_GOOD_MS = 5_000;

interface Sighting {
  readonly task: string;
  readonly version: number;
  readonly vo: string;
  readonly storedAtMs: number;
  readonly seenAtMs: number;
}

/** Lists the workers that run. */
type ListWorkers = () => Promise<readonly WorkerRecord[]>;

/** Messages that this worker has handed back lately because their payload has a newer version than it knows. */
export class NewerPayloads {
  readonly #seen = new Map<number, Sighting>();
  readonly #listWorkers: ListWorkers;
  /** The running workers when they were last listed; undefined: not yet. */
  #workers: readonly WorkerRecord[] | undefined;
  #listedAtMs = Number.NEGATIVE_INFINITY;
  /** When the last message comes back that was handed back for a running worker, by `performance.now()`. */
  #lastBackAtMs = Number.NEGATIVE_INFINITY;

  constructor(listWorkers: ListWorkers) {
    this.#listWorkers = listWorkers;
  }

  /**
   * Returns the delay with which a message goes back, ms. It is short where another running worker knows the payload's version: that one may be
   * idle. Messages come back one after the other, so that many of them do not keep the workers busy that cannot run them.
   */
  delayMs({ task, version }: Pick<NewerPayloadError, "task" | "version">): number {
    const nowMs = performance.now();
    if (nowMs - this.#listedAtMs >= LIST_GOOD_MS) this.#list(nowMs);
    // Until the first list is there, a newer worker may run.
    const mayBeKnown = this.#workers === undefined || isKnown({ task, version }, this.#workers);
    if (!mayBeKnown) return ALONE_DELAY_MS;
    const backAtMs = Math.max(nowMs + BESIDE_DELAY_MS, this.#lastBackAtMs + SPACING_MS);
    this.#lastBackAtMs = Math.min(backAtMs, nowMs + ALONE_DELAY_MS);
    return this.#lastBackAtMs - nowMs;
  }

  #list(nowMs: number): void {
    this.#listedAtMs = nowMs;
    this.#listWorkers().then(
      (workers) => {
        this.#workers = workers;
      },
      () => {
        this.#workers = []; // without an answer nobody is known, and what waits costs least
      },
    );
  }

  /** Remembers the message, if `cause` is a `NewerPayloadError`. */
  note({ vo, delivery }: ReceivedTask, cause: unknown): void {
    if (!(cause instanceof NewerPayloadError)) return;
    const { streamSequence, storedAtNs } = delivery;
    if (this.#seen.size >= MAX_REMEMBERED && !this.#seen.has(streamSequence)) return;
    const { task, version } = cause;
    const storedAtMs = Number(storedAtNs) / 1e6;
    this.#seen.set(streamSequence, { task, version, vo, storedAtMs, seenAtMs: performance.now() });
  }

  /** Returns what is remembered now, by task and version. */
  list(): readonly NewerPayload[] {
    const since = performance.now() - FORGOTTEN_MS;
    for (const [sequence, { seenAtMs }] of this.#seen) if (seenAtMs < since) this.#seen.delete(sequence);
    const groups = Map.groupBy(this.#seen.values(), ({ task, version }) => `${version} ${task}`);
    return [...groups.values()].flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const oldestMs = group.reduce((least, { storedAtMs }) => Math.min(least, storedAtMs), Number.POSITIVE_INFINITY);
      return {
        task: first.task,
        version: first.version,
        vos: [...new Set(group.map(({ vo }) => vo))].sort(),
        count: group.length,
        oldestAt: new Date(oldestMs).toISOString(),
      };
    });
  }
}

function merge(one: NewerPayload, other: NewerPayload): NewerPayload {
  return {
    ...one,
    vos: [...new Set([...one.vos, ...other.vos])].sort(),
    // A message that was handed back goes from one worker to the next. A sum would count it twice.
    count: Math.max(one.count, other.count),
    oldestAt: [one.oldestAt, other.oldestAt].sort()[0] ?? one.oldestAt,
  };
}

/**
 * Lists the tasks that wait for a worker which knows their payload's version, as the running workers have met them. A version that one
 * of those workers knows is not listed. A count is at most a thousand. Throws when nobody answers.
 */
export async function listNewerPayloads(broker: Broker): Promise<readonly NewerPayload[]> {
  const workers = await listWorkers(broker);
  const all = workers.flatMap(({ newerPayloads = [] }) => newerPayloads);
  const groups = Map.groupBy(unread(all, workers), ({ task, version }) => `${version} ${task}`);
  return [...groups.values()].map((group) => group.reduce(merge)).sort((a, b) => b.count - a.count);
}

/** Whether a worker knows the version, and takes tasks. */
function isKnown({ task, version }: Pick<NewerPayload, "task" | "version">, workers: readonly WorkerRecord[]): boolean {
  return workers.some(
    ({ payloadVersions, draining }) => draining !== true && (payloadVersions?.[task] ?? 0) >= version,
  );
}

/** Returns those that no running worker can read. */
function unread(met: readonly NewerPayload[], workers: readonly WorkerRecord[]): readonly NewerPayload[] {
  return met.filter((each) => !isKnown(each, workers));
}

/** Raises an alarm every ten minutes about payloads that this worker has met and no running worker can read, until disposed of. */
export function reportNewerPayloads(broker: Broker, own: NewerPayloads): Disposable {
  const reminder = createReminder({ everyMs: TOLD_EVERY_MS, most: MAX_REMEMBERED });

  async function look(): Promise<void> {
    const mine = own.list();
    if (mine.length === 0) return;
    for (const { task, version, vos, count, oldestAt } of unread(mine, await listWorkers(broker))) {
      if (!reminder.isTime(`${version} ${task}`)) continue;
      const whose = vos.length === 1 ? `VO ${vos[0]}` : `${vos.length} VOs`;
      broker.observer.alarm(
        `No running worker knows version ${version} of ${task}'s payload: ${count} of ${whose} wait since ${oldestAt}; start a newer worker`,
        { task, version, count, since: oldestAt, vos: vos.slice(0, 10) },
      );
    }
  }

  const timer = setInterval(() => {
    look().catch((cause: unknown) => broker.observer.note("Cannot list the workers yet", { cause }));
  }, RENEW_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
