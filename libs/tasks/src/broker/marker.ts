import * as z from "zod";
import type { Broker } from "./broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";

/*
 * A marker remembers, in TASKS, how far one schedule has come. A new one is written
 *  - WITH AN OCCURRENCE: in one atomic batch with the occurrence's task message, which so has the next sequence;
 *  - ALONE: when a schedule is seen for the first time, has changed, was switched off, or lies ahead of the clock. From then on
 *    only times after `dueAt` count. `message` goes on pointing at the last occurrence's message, since that one may still wait.
 */

const Value = z.object({
  /** The newest occurrence that was published, or the time from which the schedule counts. */
  dueAt: z.iso.datetime(),
  /** The schedule in force when the marker was written, as text, or `off`. */
  schedule: z.string().optional(),
  /** Sequence of the last occurrence's message, 0: none. Absent: the marker's own + 1. */
  message: z.int().min(0).optional(),
});

export interface Marker {
  /** Of the marker's own message: what a new one expects to find. */
  readonly sequence: number;
  /** ms since the epoch; undefined where the marker's value cannot be read. */
  readonly dueAt: number | undefined;
  /** Undefined where the marker does not say. */
  readonly schedule: string | undefined;
  /** Sequence of the last occurrence's message, 0: there was none. */
  readonly message: number;
}

/** What a new marker says. */
export interface MarkerValue {
  readonly dueAt: number;
  readonly schedule: string;
  /** Left out where the occurrence's message is stored right behind the marker. */
  readonly message?: number;
}

export function printMarker({ dueAt, ...rest }: MarkerValue): string {
  return JSON.stringify({ dueAt: new Date(dueAt).toISOString(), ...rest });
}

/** An unreadable value is no error: the marker still has its sequence, and is replaced. */
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

/** The header by which a write is refused unless the marker is still the one of `sequence`; 0: there must be none. */
export function expecting(sequence: number): Readonly<Record<string, string>> {
  return { [EXPECTED_LAST_SUBJECT_SEQUENCE]: String(sequence) };
}

/** Reads the marker on `subject` from the stream's leader; undefined: there is none. Throws when nobody answers. */
export async function readMarker({ jsm }: Pick<Broker, "jsm">, subject: string): Promise<Marker | undefined> {
  const stored = await jsm.streams.getMessage(TASKS, { last_by_subj: subject });
  // A subject of somebody's own making may be a pattern, which then matches others.
  return stored?.subject === subject ? parseMarker(stored.seq, stored.string()) : undefined;
}
