import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import { listDeadWorkers } from "../presence/dead_workers.ts";
import { ownProcess } from "../presence/own_process.ts";
import type { KnownCount, StartCount } from "../pull/received_task.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { escapeToken } from "../format/token.ts";

/** Time that a suspect has the process to itself after one and after two unended runs, ms. After more it is alone to its end. */
const ALONE_MS = [3_000, 12_000] as const;
/** Number of unended runs after which a task is alone to its end. */
const UNENDED_FOR_ALL = ALONE_MS.length + 1;
/** Number of unended runs alone in the process, after which a task is poison. */
export const MAX_LONE_STARTS = 2;
/** Largest number of unended runs that are excused because the worker died in the own time of a suspect. Later ones count. */
const MAX_EXCUSED = 2;
/** Largest number of lone runs that are not held against a task, since other workers died at that time too. */
export const MAX_SPARED = 20;
/** Largest number of workers whose names a count keeps. */
const MAX_NAMES = 40;
/** Time to live of a count that nobody removes. */
const COUNT_TTL = "24h";
/** Time to live of the note which task has a worker to itself. Everything that was in the worker's hand comes back sooner. */
const ALONE_TTL = "10m";

/** Prefix of the counts' subjects. */
export const COUNT_SUBJECTS = "$KV.results.starts.";

function keyOf(taskId: string): string {
  return `starts.${escapeToken(taskId)}`;
}

function aloneKeyOf(worker: string): string {
  return `alone.${escapeToken(worker)}`;
}

/** How long a task with this count has its process to itself, ms; 0: it runs among others; Infinity: until its end. */
export function aloneMsOf({ unended }: Pick<StartCount, "unended">): number {
  return unended === 0 ? 0 : (ALONE_MS[unended - 1] ?? Number.POSITIVE_INFINITY);
}

/** Whether the task has certainly killed its worker or its thread: no other task ran beside it. */
export function isPoison(count: StartCount): boolean {
  return count.alone >= MAX_LONE_STARTS || hasEndedThreads(count);
}

/** Whether the task has ended so many threads that it is poison, whatever else dies. */
export function hasEndedThreads({ died }: StartCount): boolean {
  return died !== undefined && died.times >= MAX_LONE_STARTS;
}

/** Which attempt of which task. */
export interface CountedTask {
  readonly taskId: string;
  readonly attempt: number;
}

/** A counted task, and where the message in hand is acknowledged. */
export interface BegunTask extends CountedTask {
  readonly ack: string;
}

/**
 * The runs of redelivered tasks that began and did not end, counted in the bucket `results`. The server's own delivery count would
 * include hand-backs.
 */
export interface StartCounts {
  /** Returns the count of this attempt, judged after the death of its last worker. A count of another attempt is taken as 0. */
  read(task: CountedTask): Promise<KnownCount>;
  /** Counts the run that is about to begin, of a task whose count was `known`. */
  begin(task: BegunTask, known: KnownCount): Promise<void>;
  /** Notes that no suspect has this worker to itself any more. Never throws. */
  aloneNoMore(): Promise<void>;
  /**
   * Notes that a run has ended its thread. The process lives, so its other count is taken back. `known` is the count with which it began;
   * undefined: it was the first delivery, and nothing was counted.
   */
  died(task: CountedTask, known: KnownCount | undefined, reason: string): Promise<void>;
  /** Takes back the count of a run that began at `known`, since it was handed back in good order. */
  handedBack(task: CountedTask, known: KnownCount): Promise<void>;
  /** Removes the count of a settled task. */
  settled(taskId: string): Promise<void>;
}

/** Writes a count, if the entry is still at `revision`. Throws JetStream's refusal. */
export async function writeCount(
  { js }: Pick<Broker, "js">,
  key: string,
  { revision, storedAtMs: _, ...count }: KnownCount,
): Promise<void> {
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, COUNT_TTL);
  headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(revision));
  await js.publish(`$KV.results.${key}`, JSON.stringify(count), { headers });
}

/**
 * Returns the count of `taskId` after the death of the worker that ran it last.
 *
 * A worker that died in the own time of a suspect was probably killed by that suspect. So the suspect is alone to its end the next time.
 * The runs beside it had their own time before, and are excused. A task is excused only twice: otherwise one that kills after its own
 * time could hide behind others for ever.
 */
export async function judge(broker: Broker, taskId: string, { by, ...count }: StartCount): Promise<StartCount> {
  if (by === undefined) return count;
  const { excused = 0, unended } = count;
  const { text: suspect } = await readTimed(broker, "results", aloneKeyOf(by.worker));
  if (suspect === taskId) return { ...count, unended: Math.max(unended, UNENDED_FOR_ALL) };
  if (suspect === undefined || excused >= MAX_EXCUSED) return count;
  return { ...count, unended: Math.max(0, unended - 1), excused: excused + 1 };
}

/**
 * Whether some worker has died without any doing of this task: since its first counted run, in none of its runs, and while no suspect had that
 * worker to itself. Then workers die for another reason, such as a machine without memory or a platform that ends them, and the death of a lone
 * run proves nothing.
 */
async function doOthersDie(broker: Broker, { workers = [], sinceMs }: StartCount): Promise<boolean> {
  if (sinceMs === undefined) return false;
  for (const { record, storedAtMs } of await listDeadWorkers(broker)) {
    if (storedAtMs < sinceMs || workers.includes(record.name)) continue;
    const { text: suspect } = await readTimed(broker, "results", aloneKeyOf(record.name));
    if (suspect === undefined) return true;
  }
  return false;
}

/**
 * Takes the newest lone run back from the count of a task that would be poison, where other workers die too. Returns undefined where none does,
 * or where that was done so often that the task is given up all the same. Throws when the broker does not answer.
 */
export async function spare(broker: Broker, known: KnownCount): Promise<KnownCount | undefined> {
  const { spared = 0 } = known;
  if (hasEndedThreads(known)) return undefined;
  if (spared >= MAX_SPARED || !(await doOthersDie(broker, known))) return undefined;
  return { ...known, alone: MAX_LONE_STARTS - 1, spared: spared + 1 };
}

/** What one run adds to `alone`: 1 where the count before it demands that it runs alone to its end. */
function loneRunAfter(known: KnownCount): 0 | 1 {
  return Number.isFinite(aloneMsOf(known)) ? 0 : 1;
}

/** Makes the counts of `worker`, kept by `broker`. Each call throws when nobody answers. */
export function startCounts(broker: Broker, worker: string): StartCounts {
  const { results } = broker.buckets;
  const process = ownProcess();
  /** The newest change of the note which task has this worker to itself. */
  let noting: Promise<unknown> = Promise.resolve();
  let isNoted = false;

  async function load({ taskId, attempt }: CountedTask): Promise<KnownCount> {
    const { revision, text, storedAtMs } = await readTimed(broker, "results", keyOf(taskId));
    const count: StartCount | undefined = text === undefined ? undefined : JSON.parse(text);
    if (count?.attempt !== attempt) return { attempt, unended: 0, alone: 0, revision };
    return { ...count, revision, ...(storedAtMs === undefined ? {} : { storedAtMs }) };
  }

  async function change(task: CountedTask, known: KnownCount, next: (now: KnownCount) => KnownCount): Promise<void> {
    for (let now = known; ; now = await load(task)) {
      try {
        return await writeCount(broker, keyOf(task.taskId), next(now));
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  }

  async function noteAlone(taskId: string): Promise<void> {
    await noting;
    const headers = newHeaders();
    headers.set(MESSAGE_TTL, ALONE_TTL);
    isNoted = true;
    await broker.requests.store({ subject: `$KV.results.${aloneKeyOf(worker)}`, body: taskId, headers });
  }

  return {
    async read(task) {
      const { revision, storedAtMs, ...count } = await load(task);
      const judged = await judge(broker, task.taskId, count);
      return { ...judged, revision, ...(storedAtMs === undefined ? {} : { storedAtMs }) };
    },
    async begin({ ack, ...task }, known) {
      const aloneMs = aloneMsOf(known);
      // Before the count, so that the note is there if the worker dies a moment later.
      if (aloneMs > 0) await noteAlone(task.taskId);
      const by = { worker, ack, ...(process === undefined ? {} : { process }) };
      const lone = loneRunAfter(known);
      await change(task, known, ({ storedAtMs, ...now }) => ({
        ...now,
        unended: now.unended + 1,
        alone: now.alone + lone,
        by,
        workers: [...(now.workers ?? []), worker].slice(-MAX_NAMES),
        ...(now.sinceMs === undefined && storedAtMs !== undefined ? { sinceMs: storedAtMs } : {}),
      }));
    },
    async aloneNoMore() {
      if (!isNoted) return;
      isNoted = false;
      noting = results.purge(aloneKeyOf(worker), { ttl: ALONE_TTL }).catch((cause: unknown) =>
        broker.observer.note(
          "Cannot note that a suspect's own time is over; if this worker dies now, that suspect is blamed",
          {
            cause,
          },
        ),
      );
      await noting;
    },
    async died(task, known, reason) {
      if (known !== undefined) await this.handedBack(task, known);
      await change(task, await load(task), (now) => ({ ...now, died: { times: (now.died?.times ?? 0) + 1, reason } }));
    },
    async handedBack(task, known) {
      const lone = loneRunAfter(known);
      await change(task, await load(task), ({ by: _by, ...now }) => ({
        ...now,
        unended: Math.max(0, now.unended - 1),
        alone: Math.max(0, now.alone - lone),
        workers: (now.workers ?? []).slice(0, -1),
      }));
    },
    async settled(taskId) {
      // The purge's mark stays as long as the count would have. When it is killed, the server (2.15.2) forgets a purge whose mark has expired.
      await results.purge(keyOf(taskId), { ttl: COUNT_TTL });
    },
  };
}
