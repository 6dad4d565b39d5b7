// Tested by libs/tasks/src/schedule/emptied_buckets_test.ts
// Tested by libs/tasks/src/queue/queue_pauses_test.ts
import * as z from "zod";
import type { Broker } from "../broker/broker.ts";
import { findEmptying } from "../broker/emptied_bucket.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { nextMatching } from "../broker/stored_messages.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, headersFrom, isMark } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";

export const PAUSES_STREAM = "KV_schedules";
const BUCKET = "$KV.schedules.";

/** What is stored with a pause, for people. */
export interface PauseNote {
  /** RFC 3339. */
  readonly pausedAt?: string | undefined;
  readonly reason?: string | undefined;
  /** Who paused it, as `ana@ui01`. */
  readonly by?: string | undefined;
}

const PauseNote = z.object({
  pausedAt: z.string().optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
  by: z.string().optional().catch(undefined),
});

/** Reads the note of a pause. Anybody may have written it. What cannot be read is left out, and the pause still counts. */
function readNote(data: Uint8Array): PauseNote {
  try {
    return PauseNote.catch({}).parse(JSON.parse(new TextDecoder().decode(data)));
  } catch {
    return {}; // no JSON
  }
}

/** The value of a pause that is made now. */
export function printPause(note: Omit<PauseNote, "pausedAt">): string {
  const value: PauseNote = { pausedAt: new Date().toISOString(), ...note };
  return JSON.stringify(value);
}

/** The pauses of one kind, as the bucket's leader had them at the last `refresh`. */
export interface PauseBook {
  /** Number of pauses. */
  readonly size: number;
  /** The note of the pause under this key; undefined: there is none. */
  find(key: string): PauseNote | undefined;
  entries(): readonly (readonly [key: string, note: PauseNote])[];
  /** Reads what is new since the last time. Takes one round trip where nothing is new. */
  refresh(): Promise<void>;
  /**
   * Reads everything again: a bucket that was created anew counts from 1 again. Pauses that were lost with a bucket, or that a roll-up
   * took, are stored again, and hold all the time.
   *
   * Returns the keys of those stored.
   */
  reread(): Promise<readonly string[]>;
  /** Like `reread`, but only where the bucket's keys are not those that are known; otherwise like `refresh`. Takes two round trips. */
  look(): Promise<readonly string[]>;
}

interface Pause {
  readonly note: PauseNote;
  readonly seq: number;
  readonly storedAt: Date;
  readonly data: Uint8Array;
}

interface Pages {
  readonly paused: Map<string, Pause>;
  /** Keys whose pause was removed as it must be. */
  readonly resumed: Set<string>;
  /** Sequence of the newest message that was read. `readOn` writes it, and reads on after it. */
  seen: number;
}

const noPages = (): Pages => ({ paused: new Map(), resumed: new Set(), seen: 0 });

/** Opens an empty book of the pauses under keys of the bucket `schedules` that begin with `prefix`. */
export function createPauseBook(broker: Broker, prefix: "pause." | "queue."): PauseBook {
  const { jsm } = broker;
  const subjects = BUCKET + prefix;
  let pages = noPages();

  async function readOn(into: Pages): Promise<void> {
    for (;;) {
      const next = await nextMatching(jsm, PAUSES_STREAM, { from: into.seen + 1, filter: `${subjects}>` });
      if (next === null) return;
      into.seen = next.seq;
      const key = next.subject.slice(subjects.length);
      if (isMark(next.header)) {
        into.paused.delete(key);
        into.resumed.add(key);
      } else {
        into.resumed.delete(key);
        into.paused.set(key, { note: readNote(next.data), seq: next.seq, storedAt: next.time, data: next.data });
      }
    }
  }

  async function refresh(): Promise<void> {
    const present = pages;
    await readOn(present);
    // A reread has replaced the pages. It may have ended before it could see what we have just read.
    if (pages !== present) await refresh();
  }

  /** Stores a pause again where its key is empty. Returns whether it was stored. */
  async function restore(key: string, { data }: Pause): Promise<boolean> {
    const headers = headersFrom({ [EXPECTED_LAST_SUBJECT_SEQUENCE]: "0" });
    try {
      await publishSurely(broker, { subject: subjects + key, body: data, headers });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  }

  /** Tells whether a pause that is missing was lost with its bucket, or to a roll-up. A purge or a deletion may be meant. */
  async function lossOf(): Promise<(pause: Pause) => boolean> {
    const [{ created, state }, emptying] = await Promise.all([
      jsm.streams.info(PAUSES_STREAM),
      findEmptying(jsm, "schedules"),
    ]);
    const bornAtMs = Date.parse(created);
    return ({ seq, storedAt }) =>
      storedAt.getTime() < bornAtMs || seq > state.last_seq || (emptying !== undefined && seq < emptying.seq);
  }

  async function restoreLost(fresh: Pages): Promise<readonly string[]> {
    const missing = [...pages.paused].filter(([key]) => !fresh.paused.has(key) && !fresh.resumed.has(key));
    if (missing.length === 0) return [];
    const isLost = await lossOf();
    const restored: string[] = [];
    for (const [key, pause] of missing) {
      if (isLost(pause) && (await restore(key, pause))) restored.push(key);
    }
    return restored;
  }

  async function reread(): Promise<readonly string[]> {
    const fresh = noPages();
    await readOn(fresh);
    const restored = await restoreLost(fresh);
    await readOn(fresh);
    pages = fresh;
    return restored;
  }

  return {
    get size() {
      return pages.paused.size;
    },
    find: (key) => pages.paused.get(key)?.note,
    entries: () => [...pages.paused].map(([key, { note }]) => [key, note] as const),
    refresh,
    reread,
    async look() {
      const { state } = await jsm.streams.info(PAUSES_STREAM, { subjects_filter: `${subjects}>` });
      const present = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(subjects.length));
      const isKnown = (key: string) => pages.paused.has(key) || pages.resumed.has(key);
      const isSame = present.length === pages.paused.size + pages.resumed.size && present.every(isKnown);
      if (!isSame || state.last_seq < pages.seen) return await reread();
      await refresh();
      return [];
    },
  };
}
