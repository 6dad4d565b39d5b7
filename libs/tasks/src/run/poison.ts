import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import type { KnownCount, StartCount } from "../pull/received_task.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { escapeToken } from "../format/token.ts";

/** Time that a suspect has for itself after one and after two counted runs without an end, ms; after more it is alone to its end. */
const ALONE_MS = [3_000, 12_000] as const;
/** Runs alone from start to end, each without an end, after which a task is poison. */
export const MAX_LONE_STARTS = 2;
/** Lifetime of a count that nobody removes. */
const COUNT_TTL = "24h";

function keyOf(taskId: string): string {
  return `starts.${escapeToken(taskId)}`;
}

/** How long a task with this count has its process to itself, ms. 0: it runs among others; Infinity: until its end. */
export function aloneMsOf({ unended }: StartCount): number {
  return unended === 0 ? 0 : (ALONE_MS[unended - 1] ?? Number.POSITIVE_INFINITY);
}

/** Whether the task has killed its worker without any doubt: nothing else was there to do it. */
export function isPoison({ alone }: StartCount): boolean {
  return alone >= MAX_LONE_STARTS;
}

/** Which attempt of which task. */
export interface CountedTask {
  readonly taskId: string;
  readonly attempt: number;
}

/** The runs of redelivered tasks that began and did not end, counted in the bucket `results`: the server's own delivery count includes hand-backs. */
export interface StartCounts {
  /** The count of this attempt; one of another attempt is none. */
  read(task: CountedTask): Promise<KnownCount>;
  /** Adds the run that is about to begin, of a task whose count was `known`. */
  begin(task: CountedTask, known: KnownCount): Promise<void>;
  /** Takes a run off again that began at `known`: it was handed back in good order. */
  handedBack(task: CountedTask, known: KnownCount): Promise<void>;
  /** The task is settled. */
  settled(taskId: string): Promise<void>;
}

/** Counts over `broker`. Each call throws when nobody answers. */
export function startCounts(broker: Broker): StartCounts {
  const { results } = broker.buckets;

  async function read({ taskId, attempt }: CountedTask): Promise<KnownCount> {
    const { revision, text } = await readTimed(broker, "results", keyOf(taskId));
    const count: StartCount | undefined = text === undefined ? undefined : JSON.parse(text);
    if (count?.attempt !== attempt) return { attempt, unended: 0, alone: 0, revision };
    return { attempt, unended: count.unended, alone: count.alone, revision };
  }

  async function change(task: CountedTask, known: KnownCount, by: Omit<StartCount, "attempt">): Promise<void> {
    for (let now = known; ; now = await read(task)) {
      const { attempt } = task;
      const next = {
        attempt,
        unended: Math.max(0, now.unended + by.unended),
        alone: Math.max(0, now.alone + by.alone),
      };
      const headers = newHeaders();
      headers.set(MESSAGE_TTL, COUNT_TTL);
      headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(now.revision));
      try {
        await broker.js.publish(`$KV.results.${keyOf(task.taskId)}`, JSON.stringify(next), { headers });
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  }

  /** What one run adds to the count: it was to be alone where the count before it said so. */
  function runAfter(known: KnownCount): 0 | 1 {
    return Number.isFinite(aloneMsOf(known)) ? 0 : 1;
  }

  return {
    read,
    begin: (task, known) => change(task, known, { unended: 1, alone: runAfter(known) }),
    async handedBack(task, known) {
      await change(task, await read(task), { unended: -1, alone: -runAfter(known) });
    },
    async settled(taskId) {
      // The mark stays as long as the count would have: over a kill the server (2.15.2) forgets a purge whose mark has expired.
      await results.purge(keyOf(taskId), { ttl: COUNT_TTL });
    },
  };
}
