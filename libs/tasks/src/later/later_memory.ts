// Tested by libs/tasks/src/later/later_watch_test.ts
import { dueAtOf, type LaterCopy, sizeOf } from "./restore_later.ts";
import type { Stored } from "../broker/stored_messages.ts";

/** Greatest number of delayed messages that are remembered. */
const TRACKED = 100_000;
/** Greatest size of all kept copies of messages, bytes. Messages are stored again from them. */
const COPIED_BYTES = 64 * 1024 * 1024;
/** Greatest number of subjects that are to be read, besides those of tracked messages. */
const HEARD = 10_000;

/*
 * What is known of a delayed message:
 *  - TRACKED: it was read from LATER, with its sequence. Forgotten when it is due soon, when LATER was declared anew, and when another one
 *    was read on its subject. Nothing that was only heard replaces it.
 *  - HEARD: a client has just published on its subject. The server may have refused that, or called it a duplicate, so the subject is read.
 *  - UNPROVEN: LATER was emptied before the subject was read. Whether the message was ever stored is unknown.
 */

/** A message that was read from LATER. */
export interface Known {
  /** ms since the epoch. */
  readonly dueAt: number;
  /** Undefined where there was no room for a copy, or where somebody has taken the message away. */
  readonly copy: LaterCopy | undefined;
  /** Whether Muster itself has taken it away. */
  readonly isOurs?: boolean;
}

interface Tracked extends Known {
  readonly seq: number;
  readonly storedAt: number;
}

/** A subject on which a client has published. */
export interface Heard {
  /** Time of the last publish, by `performance.now()`. */
  readonly heardAt: number;
  /** Earliest time at which one of its messages is due, ms since the epoch. */
  readonly dueAt: number;
  /** Whether the subject was read since. */
  readonly isRead: boolean;
}

/** Who takes messages away: Muster itself, or somebody by hand. */
export type Taker = "muster" | "hand";

/** Says which of the known messages may be forgotten without loss. All times by the broker's clock, ms since the epoch. */
export interface Forgettable {
  /** A message due before this time may have fired. */
  readonly dueBefore: number;
  /** A message stored before this time was in a stream that has since been declared anew. */
  readonly storedBefore: number;
}

/** What one process remembers of the messages in LATER, by subject. */
export interface LaterMemory {
  /** Number of tracked messages. */
  readonly tracked: number;
  readonly isEmpty: boolean;
  /** The subjects to be read. */
  readonly heardSubjects: ReadonlyMap<string, Heard>;
  /** A good message was read in LATER. */
  saw(stored: Stored): void;
  /** A client has published a message on this subject. */
  heard(subject: string, message: LaterCopy): void;
  /** The subject was read, and has no news. It is read once more, unless it is `settled`. */
  readWithoutNews(subject: string, settled: boolean): void;
  /** LATER was emptied: nobody can read any more what was heard before. */
  emptied(): void;
  /** The subjects that are unproven. Those that `isThere` names are none. */
  takeUnproven(isThere: (subject: string) => boolean): readonly string[];
  /** Somebody takes away the messages that match. They are never stored again. They are told if they vanish, unless Muster has taken them. */
  taken(matches: (subject: string, seq: number) => boolean, by: Taker): void;
  /** The subjects of these messages. */
  readonly takenSubjects: ReadonlyMap<string, Taker>;
  /** What was to be taken away is still there, and counts again. */
  keepAgain(subject: string): void;
  /** Forgets a tracked message. */
  forget(subject: string): void;
  /** Forgets what may be forgotten without loss. */
  prune(what: Forgettable): void;
  knows(subject: string): boolean;
  /** Whether all tracked messages may be there, by the stream's counts. */
  mayBeWhole(firstSequence: number, messages: number): boolean;
  /** The tracked messages due after `dueAfter` whose subjects are not among `subjects`. */
  missing(subjects: Readonly<Record<string, number>>, dueAfter: number): Map<string, Known>;
}

export function createLaterMemory(): LaterMemory {
  const tracked = new Map<string, Tracked>();
  const heard = new Map<string, Heard>();
  const unproven = new Set<string>();
  const taken = new Map<string, Taker>();
  let copiedBytes = 0;

  function forget(subject: string): void {
    const copy = tracked.get(subject)?.copy;
    if (copy !== undefined) copiedBytes -= sizeOf(copy);
    tracked.delete(subject);
    taken.delete(subject);
  }

  /** The message itself, where there is room for it. */
  function keep(whole: LaterCopy): LaterCopy | undefined {
    if (copiedBytes + sizeOf(whole) > COPIED_BYTES) return undefined;
    copiedBytes += sizeOf(whole);
    return whole;
  }

  return {
    get tracked() {
      return tracked.size;
    },
    get isEmpty() {
      return tracked.size + heard.size + unproven.size === 0;
    },
    heardSubjects: heard,
    saw({ subject, header: headers, seq, time, data }) {
      const known = tracked.get(subject);
      const storedAt = time.getTime();
      const dueAt = dueAtOf(headers);
      // A message that was read earlier may come here later.
      if (known !== undefined && (known.seq === seq || (seq < known.seq && storedAt <= known.storedAt))) return;
      if (dueAt === undefined) return;
      // The oldest stays first.
      forget(subject);
      heard.delete(subject);
      unproven.delete(subject);
      if (tracked.size >= TRACKED) return;
      tracked.set(subject, { dueAt, seq, storedAt, copy: keep({ data, headers }) });
    },
    heard(subject, { headers }) {
      if (heard.size >= HEARD && !tracked.has(subject)) return;
      const dueAt = Math.min(
        heard.get(subject)?.dueAt ?? Number.POSITIVE_INFINITY,
        dueAtOf(headers) ?? Number.POSITIVE_INFINITY,
      );
      heard.set(subject, { heardAt: performance.now(), dueAt, isRead: false });
    },
    readWithoutNews(subject, settled) {
      const known = heard.get(subject);
      if (known === undefined) return;
      if (settled) heard.delete(subject);
      else heard.set(subject, { ...known, isRead: true });
    },
    emptied() {
      for (const subject of heard.keys()) unproven.add(subject);
      heard.clear();
    },
    takeUnproven(isThere) {
      const left = [...unproven].filter((subject) => !isThere(subject));
      unproven.clear();
      return left;
    },
    taken(matches, by) {
      for (const [subject, { seq }] of tracked) if (matches(subject, seq)) taken.set(subject, by);
    },
    takenSubjects: taken,
    keepAgain: (subject) => void taken.delete(subject),
    forget,
    prune({ dueBefore, storedBefore }) {
      for (const [subject, { dueAt, storedAt }] of tracked) {
        if (dueAt <= dueBefore || storedAt < storedBefore) forget(subject);
      }
    },
    knows: (subject) => tracked.has(subject),
    mayBeWhole(firstSequence, messages) {
      if (messages < tracked.size) return false;
      for (const { seq } of tracked.values()) return seq >= firstSequence;
      return true;
    },
    missing(subjects, dueAfter) {
      const missing = new Map<string, Known>();
      for (const [subject, known] of tracked) {
        if (known.dueAt <= dueAfter || Object.hasOwn(subjects, subject)) continue;
        const by = taken.get(subject);
        missing.set(subject, by === undefined ? known : { ...known, copy: undefined, isOurs: by === "muster" });
      }
      return missing;
    },
  };
}
