// Tested by libs/tasks/src/lease/take_test.ts
// Tested by libs/tasks/src/lease/raise_test.ts
import { headers as newHeaders, type NatsConnection } from "@nats-io/nats-core";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { MESSAGE_TTL, EXPECTED_LAST_SUBJECT_SEQUENCE } from "../format/headers.ts";
import { openBrokerTime } from "../connection/broker_time.ts";
import type { Outbox } from "../connection/outbox.ts";
import type { Storage } from "../streams/storage.ts";
import { openRequests } from "../broker/requests.ts";
import { isConflict } from "../streams/streams.ts";
import { hasLapsed, readStored } from "../broker/timed_entry.ts";

/** The stream under the bucket `locks`. */
export const LOCKS_STREAM = "KV_locks";
const SUBJECT_PREFIX = "$KV.locks.";

/**
 * Time by which the mark of a released lock outlives the lock's own TTL, ms. When it is killed, nats-server (2.15.2, measured) forgets a
 * purge whose mark has expired. The old lock would then count as taken again, for the rest of its TTL.
 */
const MARK_BEYOND_MS = 1_000;

/** Time to live of the mark that the release of a lock with this TTL leaves, ms. */
export function markTtlMs(ttlMs: number): number {
  return ttlMs + MARK_BEYOND_MS;
}
/** Longest wait of one request, ms. The caller decides whether to ask again. */
const REQUEST_TIMEOUT_MS = 2_000;

/** The value of a lock's key while it is taken, as JSON. The holder writes it; waiters, operators and the holder itself read it. */
export interface LockRecord {
  /** A random name of this one hold. It tells the holder's own writes from those of others. */
  readonly holder: string;
  readonly worker: string;
  readonly taskId: string;
  /** When the lock was taken, RFC 3339, UTC. */
  readonly since: string;
}

/** The entry under a lock's key, as the stream's leader has it. */
export type StoredLock =
  /** Taken. `holder` is empty where Muster did not write the value. */
  | {
      readonly kind: "taken";
      readonly revision: number;
      readonly holder: string;
      readonly worker: string;
      /** Undefined where it was stored without a TTL, so that the broker never removes it. */
      readonly ttlMs: number | undefined;
    }
  /** Free: its TTL has passed, but the broker has not removed it, as after a kill. The next task that wants the lock replaces it. */
  | { readonly kind: "lapsed"; readonly revision: number; readonly worker: string }
  /** Free: a mark says that it was released or has lapsed. */
  | { readonly kind: "mark"; readonly revision: number };

export interface LockWrite {
  readonly record: LockRecord;
  readonly ttlMs: number;
  /** The revision that must be stored for the write to be accepted; 0: none. */
  readonly expected: number;
}

export interface LockFree {
  /** The revision that must be stored for the lock to be freed. */
  readonly expected: number;
  /** The TTL with which the lock was taken, ms. */
  readonly ttlMs: number;
}

/**
 * The KV bucket `locks`. Each call makes one write or one read.
 *
 * It does not use the KV client for writes. That client loses the TTL at an update, needs three requests for a create after a release,
 * and does not return the revision of a purge.
 */
export interface LockBucket {
  /** Takes or renews the lock. Returns the revision, or undefined where another one than `expected` is stored. */
  write(key: string, write: LockWrite): Promise<number | undefined>;
  /** Frees the lock for everyone, and wakes watchers. Returns the mark's revision, or undefined where another one than `expected` is stored. */
  free(key: string, free: LockFree): Promise<number | undefined>;
  /** Reads from the stream's leader. Needs one request more where the stored lock may have lapsed. */
  read(key: string): Promise<StoredLock | undefined>;
}

function parseRecord(text: string): Partial<LockRecord> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // written by hand, so the lock is taken by an unknown holder
  }
}

/** Opens the bucket only for reading. Nothing stays open. */
export function openLockReader(jsm: JetStreamManager): Pick<LockBucket, "read"> {
  const time = openBrokerTime(jsm, LOCKS_STREAM);
  return {
    async read(key) {
      const stored = await readStored(jsm, "locks", key);
      if (stored === undefined) return undefined;
      const { kind, revision, text, ttlMs } = stored;
      if (kind === "mark") return { kind, revision };
      const { holder = "", worker = "" } = parseRecord(text);
      if (await hasLapsed(time, stored)) return { kind: "lapsed", revision, worker: String(worker) };
      return { kind: "taken", revision, holder: String(holder), worker: String(worker), ttlMs };
    },
  };
}

/**
 * Opens the bucket on `nc`. Messages that wait in `outbox` are sent with each write. Each call of the bucket throws JetStream's errors,
 * except a refused expectation, and throws a timeout after 2 s.
 */
export async function openLockBucket(nc: NatsConnection, outbox?: Outbox, storage?: Storage): Promise<LockBucket> {
  const requests = openRequests(nc, { timeoutMs: REQUEST_TIMEOUT_MS, outbox, storage });
  const jsm = await jetstreamManager(nc, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });

  async function put(
    key: string,
    value: string,
    options: { ttlMs: number; expected: number; purge: boolean },
  ): Promise<number | undefined> {
    const headers = newHeaders();
    headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(options.expected));
    headers.set(MESSAGE_TTL, `${options.ttlMs}ms`);
    if (options.purge) {
      headers.set("KV-Operation", "PURGE");
      headers.set("Nats-Rollup", "sub");
    }
    try {
      const { seq } = await requests.store({ subject: SUBJECT_PREFIX + key, body: value, headers });
      return seq;
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }

  return {
    write: (key, { record, ttlMs, expected }) => put(key, JSON.stringify(record), { ttlMs, expected, purge: false }),
    free: (key, { expected, ttlMs }) => put(key, "", { ttlMs: markTtlMs(ttlMs), expected, purge: true }),
    ...openLockReader(jsm),
  };
}
