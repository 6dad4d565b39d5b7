import type { BucketName } from "../streams/stream_needs.ts";
import { isLiteralSubject } from "../format/subject.ts";
import type { Broker } from "./broker.ts";
import { readStored } from "./timed_entry.ts";
import { walkStream } from "./walk_stream.ts";

/** Number of entries that are read at the same time, and in all. */
const AT_ONCE = 100;
const LOOKED_AT = 5_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Longest part of a value that is shown, characters. */
const SHOWN = 100;

/** An entry without a time to live, in a bucket where all of Muster's entries have one. Only a person removes it. */
export interface StoredByHand {
  /**
   * `key`: its key looks like one of Muster's.
   *
   * `pattern`: its subject holds a wildcard or the like, such as a literal `$KV.locks.*`. Muster has no such keys, so it ignores the entry.
   * It can only be deleted by its sequence.
   */
  readonly kind: "key" | "pattern";
  readonly key: string;
  readonly sequence: number;
  /** The beginning of the value. */
  readonly value: string;
  readonly storedAt: Date;
}

type Reading = Pick<Broker, "jsm">;

async function readKeys(
  { jsm }: Reading,
  bucket: BucketName,
  keys: readonly string[],
): Promise<readonly StoredByHand[]> {
  const found: StoredByHand[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys.slice(at, at + AT_ONCE);
    const entries = await Promise.all(turn.map((key) => readStored(jsm, bucket, key)));
    for (const [index, entry] of entries.entries()) {
      const key = turn[index];
      if (key === undefined || entry?.kind !== "value" || entry.ttlMs !== undefined) continue;
      const value = entry.text.slice(0, SHOWN);
      found.push({ kind: "key", key, sequence: entry.revision, value, storedAt: new Date(entry.storedAtMs) });
    }
  }
  return found;
}

/** Finds entries on patterns. A request for such a subject would mean the entries of all subjects, so this looks at all sequences. */
async function findPatterns({ jsm }: Reading, bucket: BucketName): Promise<readonly StoredByHand[]> {
  const { state } = await jsm.streams.info(`KV_${bucket}`);
  const range = { first: state.first_seq, last: state.last_seq, maxMessages: LOOKED_AT, maxBytes: MAX_BYTES };
  const found: StoredByHand[] = [];
  await walkStream(
    jsm,
    { stream: `KV_${bucket}`, filter: `$KV.${bucket}.>`, ...range },
    ({ subject, seq, data, time }) => {
      if (isLiteralSubject(subject)) return;
      const value = new TextDecoder().decode(data).slice(0, SHOWN);
      found.push({
        kind: "pattern",
        key: subject.slice(`$KV.${bucket}.`.length),
        sequence: seq,
        value,
        storedAt: time,
      });
    },
  );
  return found.sort((a, b) => a.sequence - b.sequence);
}

/**
 * Finds entries that nothing removes, in a bucket whose entries have a time to live. Looks at the first 5,000. Throws when the broker does
 * not answer.
 */
export async function listStoredByHand(broker: Reading, bucket: BucketName): Promise<readonly StoredByHand[]> {
  const prefix = `$KV.${bucket}.`;
  const { state } = await broker.jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}>` });
  const subjects = Object.keys(state.subjects ?? {});
  const keys = subjects
    .filter(isLiteralSubject)
    .map((subject) => subject.slice(prefix.length))
    .slice(0, LOOKED_AT);
  const found = await readKeys(broker, bucket, keys);
  return subjects.every(isLiteralSubject) ? found : [...found, ...(await findPatterns(broker, bucket))];
}
