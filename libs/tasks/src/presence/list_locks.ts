// Tested by tests/src/cli/lock_test.ts
import type { Broker } from "../broker/broker.ts";
import { LAPSE_MARGIN_MS, readStored, type StoredEntry } from "../broker/timed_entry.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { escapeKey } from "../format/token.ts";
import { LOCKS_STREAM } from "../lease/lock_bucket.ts";
import { listLocksByHand, NO_LOCK } from "../lease/locks_by_hand.ts";
import { PROBE_KEY } from "../lease/raise.ts";
import { parseTally } from "../tally/parse_tally.ts";
import { kindOfKey, type LockKind, type Tally } from "../tally/tally.ts";
import { listWorkers, type WorkerRecord } from "./registration.ts";

const SUBJECTS = "$KV.locks.";
/** Number of keys that are read at the same time, and in all. */
const AT_ONCE = 100;
const LOOKED_AT = 5_000;
/** Longest part of a value that is shown, characters. */
const SHOWN = 100;

/** A lease, as operators see it. */
export interface ShownLease {
  /** The random name of this one hold. */
  readonly holder: string;
  readonly worker: string;
  readonly taskId: string;
  /** When it was taken, RFC 3339. */
  readonly since: string;
  /** Of a read-write lock. */
  readonly mode?: "shared" | "exclusive";
  /** Time after which it is free if nobody renews it, ms. */
  readonly leftMs: number;
}

/** Tasks of one worker that wait for a key. */
export interface ShownWaiting {
  readonly worker: string;
  readonly count: number;
}

/** A key of the bucket `locks` with what holds it and who waits. */
export interface ShownLock {
  readonly key: string;
  /**
   * `foreign`: a value that Muster did not write, or that somebody stored without a time to live. Tasks wait for it for ever. `pattern`: an
   * entry on a subject that is no key, for which nobody waits.
   */
  readonly kind: LockKind | "foreign" | "pattern";
  readonly leases: readonly ShownLease[];
  /** Of a rate: number of tasks that have begun within its window. */
  readonly begun?: number;
  /** As the workers told it in the last ten seconds. */
  readonly waiting: readonly ShownWaiting[];
  /** Of a foreign entry: the beginning of its value, and when it was stored. */
  readonly value?: string;
  readonly storedAt?: string;
  /** Sequence of what is stored; 0: nothing. */
  readonly revision: number;
}

interface Reading {
  readonly nowMs: number;
  readonly waiting: ReadonlyMap<string, readonly ShownWaiting[]>;
}

function waitingOf(workers: readonly WorkerRecord[]): ReadonlyMap<string, readonly ShownWaiting[]> {
  const lines = workers.flatMap(({ name, lockLines = [] }) =>
    lockLines.map(({ key, count }) => ({ key, worker: name, count })),
  );
  const byKey = Map.groupBy(lines, ({ key }) => key);
  return new Map(Array.from(byKey, ([key, of]) => [key, of.map(({ worker, count }) => ({ worker, count }))]));
}

function leasesOf({ leases }: Tally, nowMs: number): readonly ShownLease[] {
  return leases
    .map(({ holder, worker, taskId, since, mode, untilMs }) => ({
      ...{ holder, worker, taskId, since },
      ...(mode === undefined ? {} : { mode }),
      leftMs: untilMs + LAPSE_MARGIN_MS - nowMs,
    }))
    .filter(({ leftMs }) => leftMs > 0);
}

function parseMutex(text: string): Omit<ShownLease, "leftMs"> | undefined {
  try {
    const { holder, worker, taskId, since } = JSON.parse(text);
    const texts = [holder, worker, taskId, since];
    return texts.every((each) => typeof each === "string") ? { holder, worker, taskId, since } : undefined;
  } catch {
    return undefined; // not JSON
  }
}

function shownEntry(key: string, stored: StoredEntry, { nowMs, waiting }: Reading): ShownLock | undefined {
  const { revision, storedAtMs, ttlMs, text } = stored;
  const lapsesAtMs = ttlMs === undefined ? Number.POSITIVE_INFINITY : storedAtMs + ttlMs + LAPSE_MARGIN_MS;
  if (stored.kind === "mark" || lapsesAtMs <= nowMs) return undefined;
  const kind = kindOfKey(key);
  const shown = { key, kind, revision, waiting: waiting.get(key) ?? [] };
  const mutex = kind === "mutex" && ttlMs !== undefined ? parseMutex(text) : undefined;
  if (mutex !== undefined) return { ...shown, leases: [{ ...mutex, leftMs: lapsesAtMs - nowMs }] };
  const tally = kind === "mutex" ? undefined : parseTally(text);
  if (tally === undefined) {
    const storedAt = new Date(storedAtMs).toISOString();
    return { ...shown, kind: "foreign", leases: [], value: text.slice(0, SHOWN), storedAt };
  }
  const leases = leasesOf(tally, nowMs);
  const begun = tally.takes.reduce((sum, [, count]) => sum + count, 0);
  if (leases.length + begun + shown.waiting.length === 0) return undefined;
  return { ...shown, leases, ...(kind === "rate" ? { begun } : {}) };
}

async function listPatterns(broker: Pick<Broker, "jsm">): Promise<readonly ShownLock[]> {
  const found = (await listLocksByHand(broker)).filter(({ kind }) => kind === "pattern");
  return found.map(({ key, sequence, value, storedAt }) => ({
    ...{ key, kind: "pattern", leases: [], waiting: [], value, storedAt: storedAt.toISOString(), revision: sequence },
  }));
}

/**
 * Lists what is held now: mutexes, read-write locks, limiters in use, and what somebody has stored by hand among them. Also keys for which
 * tasks wait though nobody holds them. Looks at the first 5,000 keys. Throws when the broker does not answer.
 */
export async function listLocks(broker: Broker): Promise<readonly ShownLock[]> {
  const { state } = await broker.jsm.streams.info(LOCKS_STREAM, { subjects_filter: `${SUBJECTS}>` });
  const subjects = Object.keys(state.subjects ?? {});
  const waiting = waitingOf(await listWorkers(broker));
  const keys = subjects
    .filter(isLiteralSubject)
    .map((subject) => subject.slice(SUBJECTS.length))
    .filter((key) => key !== NO_LOCK && key !== PROBE_KEY)
    .slice(0, LOOKED_AT);
  const read: (readonly [key: string, entry: StoredEntry])[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys.slice(at, at + AT_ONCE);
    const entries = await Promise.all(turn.map((key) => readStored(broker.jsm, "locks", key)));
    for (const [index, entry] of entries.entries()) if (entry !== undefined) read.push([turn[index] ?? "", entry]);
  }
  // The time is asked for last. A lease that is renewed meanwhile would else have more time left than it lives.
  const { ts } = await broker.jsm.streams.info(LOCKS_STREAM);
  const reading: Reading = { nowMs: ts === undefined ? Date.now() : Date.parse(ts), waiting };
  const found = read.flatMap(([key, entry]) => shownEntry(key, entry, reading) ?? []);
  const patterns = subjects.every(isLiteralSubject) ? [] : await listPatterns(broker);
  const told = new Set(found.map(({ key }) => key));
  const free = [...waiting].filter(([key]) => !told.has(key));
  const onlyWaited = free.map(([key, of]) => ({ key, kind: kindOfKey(key), leases: [], waiting: of, revision: 0 }));
  return [...found, ...onlyWaited, ...patterns].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The lock of a key, by the name that {@linkcode listLocks} shows or as its definition has it: `my_pilot.ce05.example.org:9619`. */
export function lockOfKey(locks: readonly ShownLock[], key: string): ShownLock | undefined {
  const escaped = escapeKey(key);
  return locks.find((each) => each.key === key) ?? locks.find((each) => each.key === escaped);
}
