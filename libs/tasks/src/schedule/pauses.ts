// Tested by libs/tasks/src/schedule/keep_schedules_test.ts
// Tested by libs/tasks/src/schedule/run_scheduler_test.ts
import * as z from "zod";
import type { Broker } from "../broker/broker.ts";
import { findEmptying } from "../broker/emptied_bucket.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, headersFrom, isMark } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import { checkInstanceName, checkTaskName, checkVoName, NO_VO } from "../format/names.ts";
import { DEFAULT_INSTANCE } from "../due/instances.ts";
import { nextMatching } from "../broker/stored_messages.ts";

const STREAM = "KV_schedules";
const KEYS = "pause.";
const SUBJECTS = `$KV.schedules.${KEYS}`;

/** What is paused: one schedule, or all schedules of a task where `vo` is left out. */
export interface PauseTarget {
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo?: string | undefined;
  /** Default `default`; counts only with a VO. */
  readonly instance?: string | undefined;
}

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

/** The target's key after `pause.` in the bucket `schedules`: `<Task>`, or `<Task>.<vo>.<instance>`. Throws `InvalidNameError`. */
function keyOf({ task, vo, instance = DEFAULT_INSTANCE }: PauseTarget): string {
  checkTaskName(task);
  if (vo === undefined) return task;
  return `${task}.${vo === NO_VO ? vo : checkVoName(vo)}.${checkInstanceName(instance)}`;
}

/**
 * Pauses a schedule, or all schedules of a task: no occurrence is published until it is resumed. Published ones still run.
 *
 * Unlike switching off, a pause does not change the schedule. The newest missed time comes right after resuming.
 */
export async function pauseSchedule(
  broker: Broker,
  target: PauseTarget,
  note: Omit<PauseNote, "pausedAt"> = {},
): Promise<void> {
  const value: PauseNote = { pausedAt: new Date().toISOString(), ...note };
  await broker.buckets.schedules.put(KEYS + keyOf(target), JSON.stringify(value));
}

/**
 * Removes the pause of exactly this target. A schedule stays paused where its whole task is paused.
 *
 * Returns whether there was such a pause.
 */
export async function resumeSchedule({ buckets: { schedules } }: Broker, target: PauseTarget): Promise<boolean> {
  const key = KEYS + keyOf(target);
  const entry = await schedules.get(key);
  if (entry?.operation !== "PUT") return false;
  await schedules.delete(key);
  return true;
}

/** What is paused, as the bucket's leader had it at the last `refresh`. */
export interface Pauses {
  /** Reads what is new since the last time. Takes one round trip where nothing is new. */
  refresh(): Promise<void>;
  /**
   * Reads everything again: a bucket that was created anew counts from 1 again. Pauses that a roll-up took are stored again, and hold all
   * the time.
   *
   * Returns the keys of those stored.
   */
  reread(): Promise<readonly string[]>;
  isPaused(target: PauseTarget): boolean;
  /** The note of the pause that holds the target: its own, or else that of the whole task; undefined: it is not paused. */
  find(target: PauseTarget): PauseNote | undefined;
}

interface Pause {
  readonly note: PauseNote;
  readonly seq: number;
  readonly data: Uint8Array;
}

interface Book {
  readonly paused: Map<string, Pause>;
  /** Keys whose pause was removed as it must be. */
  readonly resumed: Set<string>;
  /** Sequence of the newest message that was read. `readOn` writes it, and reads on after it. */
  seen: number;
}

const newBook = (): Book => ({ paused: new Map(), resumed: new Set(), seen: 0 });

/** Stores a pause again where its key is empty. Returns whether it was stored. */
async function restore(broker: Broker, key: string, { data }: Pause): Promise<boolean> {
  const headers = headersFrom({ [EXPECTED_LAST_SUBJECT_SEQUENCE]: "0" });
  try {
    await publishSurely(broker, { subject: SUBJECTS + key, body: data, headers });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

export function createPauses(broker: Broker): Pauses {
  const { jsm } = broker;
  let book = newBook();

  async function readOn(into: Book): Promise<void> {
    for (;;) {
      const next = await nextMatching(jsm, STREAM, { from: into.seen + 1, filter: `${SUBJECTS}>` });
      if (next === null) return;
      into.seen = next.seq;
      const key = next.subject.slice(SUBJECTS.length);
      if (isMark(next.header)) {
        into.paused.delete(key);
        into.resumed.add(key);
      } else into.paused.set(key, { note: readNote(next.data), seq: next.seq, data: next.data });
    }
  }

  async function refresh(): Promise<void> {
    const present = book;
    await readOn(present);
    // A reread has replaced the book. It may have ended before it could see what we have just read.
    if (book !== present) await refresh();
  }

  /** Stores again what is missing from `fresh` because a roll-up took it. A purge or a deletion may be meant. */
  async function restoreLost(fresh: Book): Promise<readonly string[]> {
    const lost = [...book.paused].filter(([key]) => !fresh.paused.has(key) && !fresh.resumed.has(key));
    if (lost.length === 0) return [];
    const emptying = await findEmptying(jsm, "schedules");
    if (emptying === undefined) return [];
    const restored: string[] = [];
    for (const [key, pause] of lost) {
      if (pause.seq < emptying.seq && (await restore(broker, key, pause))) restored.push(key);
    }
    return restored;
  }

  return {
    refresh,
    async reread() {
      const fresh = newBook();
      await readOn(fresh);
      const restored = await restoreLost(fresh);
      await readOn(fresh);
      book = fresh;
      return restored;
    },
    isPaused: (target) => book.paused.size > 0 && (book.paused.has(target.task) || book.paused.has(keyOf(target))),
    find: (target) => (book.paused.get(keyOf(target)) ?? book.paused.get(target.task))?.note,
  };
}
