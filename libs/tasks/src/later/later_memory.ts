// Tested by libs/tasks/src/later/later_watch_test.ts
import { dueAtOf, type LaterCopy, sizeOf } from "./restore_later.ts";
import type { Stored } from "../broker/stored_messages.ts";

/** Greatest number of delayed messages that are remembered. */
const TRACKED = 100_000;
/** Greatest size of all kept copies of messages, bytes. Messages are stored again from them. */
const COPIED_BYTES = 64 * 1024 * 1024;
/** Greatest number of messages that were heard and not yet read from LATER, and the time for which they are remembered, ms. */
const HEARD = 10_000;
const HEARD_MS = 30_000;

/*
 * What is known of a delayed message:
 *  - HEARD: a client has just published it, and the stream may have refused it. Forgotten when it is read, or after 30 s.
 *  - TRACKED: the sweep of LATER has read it there. Forgotten when it is due soon, when LATER was declared anew, and when somebody
 *    publishes to its subject again. The new message is then heard.
 */

/** A delayed message. */
export interface Known {
  /** ms since the epoch. */
  readonly dueAt: number;
  /** Undefined where there was no room for a copy. */
  readonly copy: LaterCopy | undefined;
}

interface Tracked extends Known {
  readonly seq: number;
  readonly storedAt: number;
}

interface Heard extends Known {
  readonly heardAt: number;
}

/** Says which of the known messages may be forgotten without loss. All times by the broker's clock, ms since the epoch. */
export interface Forgettable {
  /** A message due before this time may have fired. */
  readonly dueBefore: number;
  /** A message stored before this time was in a stream that has since been declared anew. */
  readonly storedBefore: number;
  readonly now: number;
}

/** What one process remembers of the messages in LATER, by subject. The sweep of LATER calls `saw`; the watch calls the rest. */
export interface LaterMemory {
  /** Number of tracked messages. */
  readonly tracked: number;
  readonly isEmpty: boolean;
  /** The sweep has read a good message in LATER. */
  saw(stored: Stored): void;
  /** A client has published a message at the time `at`. What was known of its subject no longer counts. */
  heard(subject: string, message: LaterCopy, at: number): void;
  forget(subject: string): void;
  /** Forgets what may be forgotten without loss. */
  prune(what: Forgettable): void;
  knows(subject: string): boolean;
  /** Whether all tracked messages may be there, by the stream's counts. */
  mayBeWhole(firstSequence: number, messages: number): boolean;
  /** The messages due after `dueAfter` whose subjects are not among `subjects`: of the tracked ones, or of all. */
  missing(
    subjects: Readonly<Record<string, number>>,
    among: { readonly dueAfter: number; readonly of: "tracked" | "all" },
  ): Map<string, Known>;
}

export function createLaterMemory(): LaterMemory {
  const tracked = new Map<string, Tracked>();
  const heard = new Map<string, Heard>();
  let copiedBytes = 0;

  function forget(subject: string): void {
    for (const known of [tracked, heard]) {
      const copy = known.get(subject)?.copy;
      if (copy !== undefined) copiedBytes -= sizeOf(copy);
      known.delete(subject);
    }
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
      return tracked.size + heard.size === 0;
    },
    forget,
    saw({ subject, header: headers, seq, time, data }) {
      const dueAt = dueAtOf(headers);
      // The oldest stays first.
      forget(subject);
      if (dueAt === undefined || tracked.size >= TRACKED) return;
      tracked.set(subject, { dueAt, seq, storedAt: time.getTime(), copy: keep({ data, headers }) });
    },
    heard(subject, { data, headers }, heardAt) {
      forget(subject);
      const dueAt = dueAtOf(headers);
      if (dueAt === undefined || heard.size >= HEARD) return;
      // The heard data is a part of a larger buffer from the network, and would keep all of that in memory.
      heard.set(subject, { dueAt, copy: keep({ data: data.slice(), headers }), heardAt });
    },
    prune({ dueBefore, storedBefore, now }) {
      for (const [subject, { dueAt, storedAt }] of tracked) {
        if (dueAt <= dueBefore || storedAt < storedBefore) forget(subject);
      }
      for (const [subject, { heardAt }] of heard) if (heardAt < now - HEARD_MS) forget(subject);
    },
    knows: (subject) => tracked.has(subject) || heard.has(subject),
    mayBeWhole(firstSequence, messages) {
      if (messages < tracked.size) return false;
      for (const { seq } of tracked.values()) return seq >= firstSequence;
      return true;
    },
    missing(subjects, { dueAfter, of }) {
      const missing = new Map<string, Known>();
      const isMissing = (subject: string, { dueAt }: Known) => dueAt > dueAfter && !Object.hasOwn(subjects, subject);
      for (const [subject, known] of tracked) if (isMissing(subject, known)) missing.set(subject, known);
      if (of === "tracked") return missing;
      for (const [subject, known] of heard) if (isMissing(subject, known)) missing.set(subject, known);
      return missing;
    },
  };
}
