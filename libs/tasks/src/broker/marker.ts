import * as z from "zod";
import type { Broker } from "./broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";

/*
 * A marker says, in TASKS, how far one schedule has come. A new one is written
 *  - WITH AN OCCURRENCE: in one atomic batch with the occurrence's task message, which therefore has the next sequence;
 *  - ALONE: when a schedule is seen for the first time, has changed, was switched off, or lies ahead of the clock. From then on
 *    only times after `dueAt` count. `message` still names the last occurrence's message, since that one may still wait.
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

/** Reads a marker. An unreadable value is no error: the marker still has its sequence, and is replaced. */
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

/** Reads the marker on `subject` from the stream's leader; undefined: there is none. Throws when nobody answers. */
export async function readMarker({ jsm }: Pick<Broker, "jsm">, subject: string): Promise<Marker | undefined> {
  const stored = await jsm.streams.getMessage(TASKS, { last_by_subj: subject });
  // Somebody else's subject may be a pattern, which then matches others.
  return stored?.subject === subject ? parseMarker(stored.seq, stored.string()) : undefined;
}
