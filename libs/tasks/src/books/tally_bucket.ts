import { headers as newHeaders } from "@nats-io/nats-core";
import type { JetStreamManager } from "@nats-io/jetstream";
import { LAPSE_MARGIN_MS, readStored } from "../broker/timed_entry.ts";
import type { Requests } from "../broker/requests.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import { parseTally } from "../tally/parse_tally.ts";
import { emptyTally, printTally, type Tally } from "../tally/tally.ts";

/** What is stored under the key of a tally. */
export interface StoredTally {
  /** The revision that a compare-and-set must expect; 0: nothing is stored. */
  readonly revision: number;
  /** Undefined where somebody stored by hand what is no tally. */
  readonly tally: Tally | undefined;
}

/** The tallies in the bucket `locks`. Each call makes one request, and throws JetStream's errors and a timeout. */
export interface TallyBucket {
  /** Reads from the stream's leader. `nowMs` must not be later than the broker's time. */
  read(key: string, nowMs: number): Promise<StoredTally>;
  /** Returns the revision, or undefined where another one than `expected` is stored. */
  write(
    key: string,
    write: { readonly tally: Tally; readonly ttlMs: number; readonly expected: number },
  ): Promise<number | undefined>;
}

/** A tally whose readers know the token of their epoch, also where that write could not state it. */
function withToken(tally: Tally, revision: number): Tally {
  const { epoch } = tally;
  return epoch === undefined || epoch.token !== undefined ? tally : { ...tally, epoch: { ...epoch, token: revision } };
}

/** The tally as its writer knows it once it was stored as `revision`. */
export function asStored(tally: Tally, revision: number): StoredTally {
  return { revision, tally: withToken(tally, revision) };
}

export function openTallyBucket(requests: Requests, jsm: JetStreamManager): TallyBucket {
  return {
    async read(key, nowMs) {
      const stored = await readStored(jsm, "locks", key);
      if (stored === undefined) return { revision: 0, tally: emptyTally() };
      const { kind, revision, storedAtMs, ttlMs, text } = stored;
      const isOver = ttlMs !== undefined && storedAtMs + ttlMs + LAPSE_MARGIN_MS < nowMs;
      if (kind === "mark" || isOver) return { revision, tally: emptyTally() };
      const tally = parseTally(text);
      return tally === undefined ? { revision, tally } : asStored(tally, revision);
    },
    async write(key, { tally, ttlMs, expected }) {
      const headers = newHeaders();
      headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(expected));
      headers.set(MESSAGE_TTL, `${ttlMs}ms`);
      try {
        const { seq } = await requests.store({ subject: `$KV.locks.${key}`, body: printTally(tally), headers });
        return seq;
      } catch (error) {
        if (isConflict(error)) return undefined;
        throw error;
      }
    },
  };
}
