// Tested by libs/tasks/src/later/later_watch_test.ts
import { dueAtOf, type LaterCopy, sizeOf } from "./restore_later.ts";
import type { Stored } from "../broker/stored_messages.ts";

/** Delayed messages that are remembered at most: what empties LATER takes those too. */
const TRACKED = 100_000;
/** Copies of messages that are kept, to store them again, bytes. */
const COPIED_BYTES = 64 * 1024 * 1024;
/** Messages that were heard and not yet read from LATER: so many are remembered, for so long, ms. */
const HEARD = 10_000;
const HEARD_MS = 30_000;

/*
 * What is known of a delayed message:
 *  - HEARD: a client has published it a moment ago; the stream may have refused it. Forgotten when it is read, or after 30 s.
 *  - TRACKED: the sweep of LATER has read it there. Forgotten when it is due soon, when somebody publishes to its subject again (then
 *    that one is heard), and when LATER was declared anew.
 */

/** A delayed message. */
export interface Known {
  /** ms since the epoch. */
  readonly dueAt: number;
  /** Undefined where there was no room for it. */
  readonly copy: LaterCopy | undefined;
}

interface Tracked extends Known {
  readonly seq: number;
  readonly storedAt: number;
}

interface Heard extends Known {
  readonly heardAt: number;
}

/** Which of the known messages are no one's loss. All by the broker's clock, ms since the epoch. */
export interface Forgettable {
  /** What was due by then may have fired. */
  readonly dueBefore: number;
  /** What was stored before lay in a stream that has been declared anew since. */
  readonly storedBefore: number;
  readonly now: number;
}

/** What lies in LATER, by subject, as far as one process remembers it. */
export interface LaterMemory {
  /** How many are tracked. */
  readonly tracked: number;
  readonly isEmpty: boolean;
  /** A good message that lies there. */
  saw(stored: Stored): void;
  /** A message that a client has published `at` a time: what was known of its subject counts no more. */
  heard(subject: string, message: LaterCopy, at: number): void;
  forget(subject: string): void;
  /** Forgets what is no one's loss. */
  prune(what: Forgettable): void;
  knows(subject: string): boolean;
  /** Whether counts of the stream leave open that all that is tracked is there. */
  mayBeWhole(firstSequence: number, messages: number): boolean;
  /** What is due after `dueAfter` and not among `subjects`, of those that are tracked, or of all. */
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
      // What was heard is a part of what came with it over the network, and would keep all of that.
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
