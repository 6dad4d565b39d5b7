import type { Broker } from "../broker/broker.ts";
import { readStored } from "../broker/timed_entry.ts";
import { walkStream } from "../broker/walk_stream.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

const SUBJECTS = "$KV.locks.";
/** Entries that are read at the same time, and in all. */
const AT_ONCE = 100;
const LOOKED_AT = 5_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** Characters shown of a value. */
const SHOWN = 100;
/** A key in the bucket that is no lock: who leads what. Somebody may write a value of his own there, which is told elsewhere. */
const NO_LOCK = "scheduler.leader";

/** An entry that somebody has stored without a time to live: nothing removes it but a person. */
export interface LockByHand {
  /**
   * `key`: tasks may wait for it. `pattern`: it lies on a subject with a wildcard or the like, such as a literal `$KV.locks.*`. No lock has
   * such a key, so nobody waits for it. It can be deleted by its sequence alone.
   */
  readonly kind: "key" | "pattern";
  readonly key: string;
  readonly sequence: number;
  /** The beginning of the value. */
  readonly value: string;
  readonly storedAt: Date;
}

type Reading = Pick<Broker, "jsm">;

async function readKeys({ jsm }: Reading, keys: readonly string[]): Promise<readonly LockByHand[]> {
  const found: LockByHand[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys.slice(at, at + AT_ONCE);
    const entries = await Promise.all(turn.map((key) => readStored(jsm, "locks", key)));
    for (const [index, entry] of entries.entries()) {
      const key = turn[index];
      if (key === undefined || entry?.kind !== "value" || entry.ttlMs !== undefined) continue;
      const value = entry.text.slice(0, SHOWN);
      found.push({ kind: "key", key, sequence: entry.revision, value, storedAt: new Date(entry.storedAtMs) });
    }
  }
  return found;
}

/** To ask for such an entry by its subject would mean everybody's locks, so all sequences are looked at. */
async function findPatterns({ jsm }: Reading): Promise<readonly LockByHand[]> {
  const { state } = await jsm.streams.info(LOCKS_STREAM);
  const range = { first: state.first_seq, last: state.last_seq, maxMessages: LOOKED_AT, maxBytes: MAX_BYTES };
  const found: LockByHand[] = [];
  await walkStream(jsm, { stream: LOCKS_STREAM, filter: `${SUBJECTS}>`, ...range }, ({ subject, seq, data, time }) => {
    if (isLiteralSubject(subject)) return;
    const value = new TextDecoder().decode(data).slice(0, SHOWN);
    found.push({ kind: "pattern", key: subject.slice(SUBJECTS.length), sequence: seq, value, storedAt: time });
  });
  return found.sort((a, b) => a.sequence - b.sequence);
}

/** What nobody will remove from the bucket, of the first 5,000 entries. Throws when nobody answers. */
export async function listLocksByHand(broker: Reading): Promise<readonly LockByHand[]> {
  const { state } = await broker.jsm.streams.info(LOCKS_STREAM, { subjects_filter: `${SUBJECTS}>` });
  const subjects = Object.keys(state.subjects ?? {});
  const keys = subjects
    .filter(isLiteralSubject)
    .map((subject) => subject.slice(SUBJECTS.length))
    .filter((key) => key !== NO_LOCK)
    .slice(0, LOOKED_AT);
  const found = await readKeys(broker, keys);
  return subjects.every(isLiteralSubject) ? found : [...found, ...(await findPatterns(broker))];
}
