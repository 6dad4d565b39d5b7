import * as z from "zod";
import type { Broker } from "./broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";

/*
 * A marker in TASKS states up to which time a schedule was handled. The scheduler that leads the task writes it, and reads it before it
 * publishes an occurrence. A worker reads it before the retry of an occurrence, and the sweep reads it too.
 *
 * A new marker is written in one of two ways:
 *  - WITH AN OCCURRENCE: in one atomic batch with the occurrence's task message, which then has the next sequence.
 *  - ALONE: when a schedule is new, has changed, was switched off, or is ahead of the clock. Only times after `dueAt` count from then on.
 *
 * A marker written alone still names the message of the last occurrence in `message`, since that task may still wait.
 */

const Value = z.object({
  /** Time of the newest published occurrence, or the time from which the schedule counts. */
  dueAt: z.iso.datetime(),
  /** The text of the schedule in force when the marker was written, or `off`. */
  schedule: z.string().optional(),
  /** Sequence of the last occurrence's message; 0: none. Absent: the marker's own sequence + 1. */
  message: z.int().min(0).optional(),
});

export interface Marker {
  /** Sequence of the marker's own message. A new marker expects it. */
  readonly sequence: number;
  /** ms since the epoch; undefined where the marker's value cannot be read. */
  readonly dueAt: number | undefined;
  /** The schedule's text; undefined where the marker does not state it. */
  readonly schedule: string | undefined;
  /** Sequence of the last occurrence's message, 0: there was none. */
  readonly message: number;
}

/** The content of a new marker. */
export interface MarkerValue {
  readonly dueAt: number;
  readonly schedule: string;
  /** Left out where the occurrence's message is stored right after the marker. */
  readonly message?: number;
}

export function printMarker({ dueAt, ...rest }: MarkerValue): string {
  return JSON.stringify({ dueAt: new Date(dueAt).toISOString(), ...rest });
}

/** Reads a marker. An unreadable value is not an error: the marker still has its sequence, and is replaced. */
export function parseMarker(sequence: number, text: string): Marker {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const { data } = Value.safeParse(json);
  const dueAt = data === undefined ? undefined : Date.parse(data.dueAt);
  return { sequence, dueAt, schedule: data?.schedule, message: data?.message ?? sequence + 1 };
}

/** The header that makes a write fail unless the marker still has this `sequence`; 0: unless there is none. */
export function expecting(sequence: number): Readonly<Record<string, string>> {
  return { [EXPECTED_LAST_SUBJECT_SEQUENCE]: String(sequence) };
}

/** Reads the marker on `subject` from the stream's leader; undefined: there is none. Throws when the broker does not answer. */
export async function readMarker({ jsm }: Pick<Broker, "jsm">, subject: string): Promise<Marker | undefined> {
  const stored = await jsm.streams.getMessage(TASKS, { last_by_subj: subject });
  // The subject of another user's message may be a pattern, which matches other subjects too.
  return stored?.subject === subject ? parseMarker(stored.seq, stored.string()) : undefined;
}
