import type { Broker } from "./broker.ts";
import { readMarker } from "./marker.ts";
import { InvalidNameError } from "../format/names.ts";
import { markerSubject, type TaskAddress } from "../format/subject.ts";

/** One due time of one schedule, as its task's id names it. */
export interface Occurrence extends TaskAddress {
  readonly instance: string;
  /** ms since the epoch. */
  readonly dueAt: number;
}

/** `<Task>/<vo>/<instance>/<dueAt>`: the same whoever publishes the occurrence, and never that of another one. */
export function occurrenceId({ task, vo, instance, dueAt }: Occurrence): string {
  return `${task}/${vo}/${instance}/${new Date(dueAt).toISOString()}`;
}

/** The occurrence that a task id names, or undefined for any other id. */
export function parseOccurrenceId(taskId: string): Occurrence | undefined {
  const [task = "", vo = "", instance = "", time = "", ...more] = taskId.split("/");
  const dueAt = Date.parse(time);
  if (more.length > 0 || Number.isNaN(dueAt)) return undefined;
  const occurrence = { task, vo, instance, dueAt };
  return occurrenceId(occurrence) === taskId ? occurrence : undefined;
}

/**
 * Whether a newer occurrence of the same schedule has been published: a retry of this one is not wanted any more (PROTOCOL 6).
 *
 * False for ids that name no occurrence. One request. Throws when nobody answers.
 */
export async function isSuperseded(broker: Pick<Broker, "jsm">, taskId: string): Promise<boolean> {
  const occurrence = parseOccurrenceId(taskId);
  if (occurrence === undefined) return false;
  let subject: string;
  try {
    subject = markerSubject(occurrence, occurrence.instance);
  } catch (error) {
    if (error instanceof InvalidNameError) return false; // an id of somebody's own that only looks like ours
    throw error;
  }
  const marker = await readMarker(broker, subject);
  // A marker that was written alone tells of no newer occurrence: its time is that of a change.
  return marker?.dueAt !== undefined && marker.dueAt > occurrence.dueAt && marker.message === marker.sequence + 1;
}
