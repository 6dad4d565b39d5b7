// Tested by libs/tasks/src/run/revived_entries_test.ts
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { BrokerTime } from "../connection/broker_time.ts";
import { headerOf, isMark, MESSAGE_TTL, storedHeaders } from "../format/headers.ts";

/*
 * After a hard kill the server rebuilds a stream from its files. A key that was overwritten, and whose last value is gone by then, has an
 * older value again. The server does not restore that value's time to live (nats-server 2.15.2, measured).
 *
 * So no reader may rely on the server alone to remove an entry. Readers ask here whether it still counts.
 */

/**
 * Time for which an entry counts after its own TTL, ms. The broker removes it a moment late, and the clocks of a cluster's servers differ.
 */
export const LAPSE_MARGIN_MS = 1_000;

const UNITS_MS = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/**
 * The milliseconds of a `Nats-TTL` header: whole seconds, or a duration such as `15000ms` or `1h30m`. Undefined where it states no time.
 */
export function parseTtl(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
  let sumMs = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    sumMs += Number(number) * (UNITS_MS.get(unit) ?? Number.NaN);
  }
  return sumMs;
}

/** What is stored under a key of a bucket. */
export interface StoredEntry {
  readonly revision: number;
  /** By the broker's clock, ms since the epoch. */
  readonly storedAtMs: number;
  /** The TTL that its writer set, ms; undefined: none. */
  readonly ttlMs: number | undefined;
  /** A mark says that the value before it was deleted or has lapsed. */
  readonly kind: "value" | "mark";
  readonly text: string;
}

/**
 * Whether an entry is older than its own TTL and a margin, so it no longer counts. Throws when the broker is asked and does not answer.
 */
export async function hasLapsed(
  time: BrokerTime,
  { storedAtMs, ttlMs }: Pick<StoredEntry, "storedAtMs" | "ttlMs">,
): Promise<boolean> {
  return ttlMs !== undefined && (await time.isPast(storedAtMs + ttlMs + LAPSE_MARGIN_MS));
}

function parseStored(stored: StoredMsg): StoredEntry {
  const { seq, timestamp, data } = stored;
  const header = storedHeaders(stored);
  return {
    revision: seq,
    storedAtMs: Date.parse(timestamp),
    ttlMs: parseTtl(headerOf(header, MESSAGE_TTL)),
    kind: isMark(header) ? "mark" : "value",
    text: new TextDecoder().decode(data),
  };
}

/**
 * Reads what is stored under `key` of `bucket` from the stream's leader, even if it no longer counts; undefined: nothing. Throws
 * when the broker does not answer.
 */
export async function readStored(jsm: JetStreamManager, bucket: string, key: string): Promise<StoredEntry | undefined> {
  const subject = `$KV.${bucket}.${key}`;
  const stored = await jsm.streams.getMessage(`KV_${bucket}`, { last_by_subj: subject });
  // The key of another user's entry may hold a wildcard, which matches other keys too.
  return stored === null || stored.subject !== subject ? undefined : parseStored(stored);
}

/** What a key holds now. */
export interface KeyState {
  /** The revision that a compare-and-set must expect; 0: nothing is stored. */
  readonly revision: number;
  /** The value; undefined where there is none, or where it no longer counts. */
  readonly text: string | undefined;
  /** When it was stored, by the broker's clock, ms since the epoch; undefined: nothing is stored. */
  readonly storedAtMs: number | undefined;
}

/** Reads a key whose entries have a TTL. Throws when the broker does not answer. */
export async function readTimed(
  { jsm, time }: { readonly jsm: JetStreamManager; readonly time: BrokerTime },
  bucket: string,
  key: string,
): Promise<KeyState> {
  const stored = await readStored(jsm, bucket, key);
  if (stored === undefined) return { revision: 0, text: undefined, storedAtMs: undefined };
  const counts = stored.kind === "value" && !(await hasLapsed(time, stored));
  return { revision: stored.revision, text: counts ? stored.text : undefined, storedAtMs: stored.storedAtMs };
}
