import { headers as newHeaders } from "@nats-io/nats-core";
import { hostname } from "node:os";
import * as z from "zod";
import type { Broker } from "../broker/broker.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { hasLapsed, readStored } from "../broker/timed_entry.ts";
import { escapeToken } from "../format/token.ts";
import { ownProcess } from "./own_process.ts";
import { ownVersion } from "./own_version.ts";

/** Time between two writes of a worker's record, ms. */
export const RENEW_MS = 10_000;
/** Time to live of a worker's record. */
const TTL = "30s";
/** Greatest number of problems in a record, and the longest text of one, characters. */
const MOST_PROBLEMS = 5;
const LONGEST_PROBLEM = 500;

const NewerShape = z.object({
  task: z.string(),
  version: z.number(),
  /** The VOs of the tasks, or `_`. */
  vos: z.array(z.string()),
  count: z.number(),
  /** When the oldest task was stored, RFC 3339. */
  oldestAt: z.string(),
});

/** Tasks whose payload has a newer version than a worker knows. They wait for a worker that knows it. */
export type NewerPayload = Readonly<z.infer<typeof NewerShape>>;

const Shape = z.object({
  name: z.string(),
  host: z.string(),
  pid: z.number(),
  startedAt: z.string(),
  /** Names of the tasks that the worker runs. */
  tasks: z.array(z.string()),
  permits: z.number(),
  /** The newest version of each task's payload that it knows. Absent in the records of older workers. */
  payloadVersions: z.record(z.string(), z.number()).optional(),
  /** Payloads that it met lately and could not read. */
  newerPayloads: z.array(NewerShape).optional(),
  /** How many of its tasks wait for which lock or limit; absent: none. The longest lines alone. */
  lockLines: z.array(z.object({ key: z.string(), count: z.number() })).optional(),
  /** Version of Muster that it runs. This and all below is absent in the records of older workers. */
  version: z.string().optional(),
  /** Resident memory of its process, bytes. */
  memory: z.number().optional(),
  /** Longest time by which its event loop came late in the ten seconds before the record, ms. */
  lagMs: z.number().optional(),
  /** Its tasks: those that run, those that wait for a permit, and those that wait for a lock or limit. */
  inHand: z.object({ running: z.number(), buffered: z.number(), waitingForLocks: z.number() }).optional(),
  /** Whether it takes no more tasks, and ends once those in hand have ended; absent: it does not. */
  draining: z.boolean().optional(),
  /** Why it could not take tasks when it wrote this; absent: it could, or it is an older worker. */
  problems: z.array(z.string()).optional(),
  /** What the configuration says of its tasks and it cannot do; absent: nothing, or it is an older worker. */
  unusable: z.array(z.string()).optional(),
  /** Its process. Absent where nobody could tell that it has ended. */
  process: z.object({ place: z.string(), pid: z.number(), startedTicks: z.string() }).optional(),
});

/** A worker's record in the bucket `workers`. The worker writes it; operators, the scheduler and other workers read it. */
export type WorkerRecord = Readonly<z.infer<typeof Shape>>;

type Hands = NonNullable<WorkerRecord["inHand"]> & { readonly draining: boolean };

/** The facts of a worker from which its record is made. */
export interface ShownWorker extends Pick<WorkerRecord, "name" | "tasks" | "permits" | "payloadVersions"> {
  /** Returns the payloads that it has met lately and could not read. */
  newerPayloads?(): readonly NewerPayload[];
  /** Returns how many of its tasks wait for which lock. */
  lockLines?(): NonNullable<WorkerRecord["lockLines"]>;
  /** Returns what it has in hand, and whether it drains. */
  hands?(): Hands;
  /** Returns why it takes no tasks, one line each. */
  problems?(): readonly string[];
  /** Returns what the configuration says of its tasks and cannot be in force, one line each. */
  unusable?(): readonly string[];
}

/** A worker's record, as long as the worker keeps it. */
export interface Registration extends AsyncDisposable {
  /** Writes the record now, besides its usual times. */
  show(): void;
}

function handsIn(hands: Hands | undefined): Pick<WorkerRecord, "inHand" | "draining"> {
  if (hands === undefined) return {};
  const { running, buffered, waitingForLocks, draining } = hands;
  return { inHand: { running, buffered, waitingForLocks }, ...(draining ? { draining } : {}) };
}

/** Lines for people, a few of them; nothing where there is none. */
function linesIn<Name extends "problems" | "unusable">(name: Name, lines: readonly string[] = []) {
  if (lines.length === 0) return {};
  return { [name]: lines.slice(0, MOST_PROBLEMS).map((text) => text.slice(0, LONGEST_PROBLEM)) };
}

/** Shows a worker to operators until disposed of, or for 30 s after its death. No promise rests on it. */
export function registerWorker(broker: Broker, shown: ShownWorker): Registration {
  const { newerPayloads, lockLines, hands, problems, unusable, ...worker } = shown;
  const started = { host: hostname(), pid: process.pid, startedAt: new Date().toISOString(), version: ownVersion() };
  const record = { ...worker, ...started, process: ownProcess() };
  const subject = `$KV.workers.${escapeToken(worker.name)}`;
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, TTL);
  function show(): void {
    if (broker.nc.isClosed()) return;
    const lines = lockLines?.() ?? [];
    const waiting = lines.length === 0 ? {} : { lockLines: lines };
    const state = { memory: process.memoryUsage.rss(), lagMs: Math.round(broker.loop.takeWorstLateMs()) };
    const body = JSON.stringify({
      ...{ ...record, ...state, newerPayloads: newerPayloads?.() },
      ...{ ...waiting, ...handsIn(hands?.()), ...linesIn("problems", problems?.()) },
      ...linesIn("unusable", unusable?.()),
    });
    // The answer shows whether the broker can store. An idle worker stores nothing else.
    broker.requests.store({ subject, body, headers }).catch((cause: unknown) => {
      if (!isSilence(cause)) broker.observer.note("Cannot show this worker in the bucket `workers` yet", { cause });
    });
  }
  show();
  const timer = setInterval(show, RENEW_MS);
  return {
    show,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      if (broker.nc.isClosed()) return;
      // The answer is not awaited: a lost connection would keep the worker from ending. The mark has the same time to live as the record.
      const gone = newHeaders();
      gone.set("KV-Operation", "DEL");
      gone.set(MESSAGE_TTL, TTL);
      broker.nc.publish(subject, "", { headers: gone });
    },
  };
}

/** The keys that {@linkcode escapeToken} makes. */
const OUR_KEY = /^[A-Za-z0-9_=-]+$/;

function readRecord(text: string): WorkerRecord | undefined {
  try {
    return Shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not JSON
  }
}

const BUCKET = "workers";
const SUBJECTS = `$KV.${BUCKET}.`;
/** Number of records that are read at the same time. */
const AT_ONCE = 100;

/** A worker's record, and when it was stored. */
export interface StoredWorker {
  readonly record: WorkerRecord;
  /** By the broker's clock, ms since the epoch. */
  readonly storedAtMs: number;
}

/** A record that counts: a worker gives each a TTL, and what has none was stored by somebody else and tells of nobody. */
async function readWorker({ jsm, time }: Pick<Broker, "jsm" | "time">, key: string): Promise<StoredWorker | undefined> {
  const stored = await readStored(jsm, BUCKET, key);
  if (stored?.kind !== "value" || stored.ttlMs === undefined || (await hasLapsed(time, stored))) return undefined;
  const record = readRecord(stored.text);
  return record && { record, storedAtMs: stored.storedAtMs };
}

/** Lists the workers that show themselves now. A record past its TTL is left out, even if the broker still has it. */
export async function listWorkers(broker: Broker): Promise<readonly WorkerRecord[]> {
  return (await listStoredWorkers(broker)).map(({ record }) => record);
}

/** Does the same as {@linkcode listWorkers}, with the time of each record. */
export async function listStoredWorkers(broker: Broker): Promise<readonly StoredWorker[]> {
  const { state } = await broker.jsm.streams.info(`KV_${BUCKET}`, { subjects_filter: `${SUBJECTS}>` });
  // A key that somebody wrote by hand may be a pattern.
  const keys = Object.keys(state.subjects ?? {})
    .map((subject) => subject.slice(SUBJECTS.length))
    .filter((key) => OUR_KEY.test(key));
  const workers: StoredWorker[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const read = keys.slice(at, at + AT_ONCE).map((key) => readWorker(broker, key));
    for (const worker of await Promise.all(read)) if (worker !== undefined) workers.push(worker);
  }
  return workers;
}
