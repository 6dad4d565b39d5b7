import type { Broker } from "../broker/broker.ts";
import { readStored } from "../broker/timed_entry.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

const SUBJECTS = "$KV.locks.";
/** Entries that are read at the same time, and in all. */
const AT_ONCE = 100;
const LOOKED_AT = 5_000;
/** Characters shown of a value. */
const SHOWN = 100;
/** A key in the bucket that is no lock: who leads what. Somebody may write a value of his own there, which is told elsewhere. */
const NO_LOCK = "scheduler.leader";

/** A lock that somebody has stored without a time to live: tasks wait for it, and nothing frees it but a person. */
export interface LockByHand {
  readonly key: string;
  /** The beginning of the value. */
  readonly value: string;
  readonly storedAt: Date;
}

/** The locks that nobody will free, of the first 5,000 entries. Throws when nobody answers. */
export async function listLocksByHand({ jsm }: Pick<Broker, "jsm">): Promise<readonly LockByHand[]> {
  const { state } = await jsm.streams.info(LOCKS_STREAM, { subjects_filter: `${SUBJECTS}>` });
  const keys = Object.keys(state.subjects ?? {})
    .map((subject) => subject.slice(SUBJECTS.length))
    .filter((key) => key !== NO_LOCK)
    .slice(0, LOOKED_AT);
  const found: LockByHand[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const turn = keys.slice(at, at + AT_ONCE);
    const entries = await Promise.all(turn.map((key) => readStored(jsm, "locks", key)));
    for (const [index, entry] of entries.entries()) {
      const key = turn[index];
      if (key === undefined || entry?.kind !== "value" || entry.ttlMs !== undefined) continue;
      found.push({ key, value: entry.text.slice(0, SHOWN), storedAt: new Date(entry.storedAtMs) });
    }
  }
  return found;
}
