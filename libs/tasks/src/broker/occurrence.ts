import type { Broker } from "./broker.ts";
import { readMarker } from "./marker.ts";
import { InvalidNameError } from "../format/names.ts";
import { markerSubject, type TaskAddress } from "../format/subject.ts";

/** One due time of one schedule, as the id of its task names it. */
export interface Occurrence extends TaskAddress {
  readonly instance: string;
  /** ms since the epoch. */
  readonly dueAt: number;
}

/** The id `<Task>/<vo>/<instance>/<dueAt>`. It is the same in every process that publishes the occurrence. No other occurrence has it. */
export function occurrenceId({ task, vo, instance, dueAt }: Occurrence): string {
  return `${task}/${vo}/${instance}/${new Date(dueAt).toISOString()}`;
}

/** The occurrence that a task id names; undefined for any other id. */
export function parseOccurrenceId(taskId: string): Occurrence | undefined {
  const [task = "", vo = "", instance = "", time = "", ...more] = taskId.split("/");
  const dueAt = Date.parse(time);
  if (more.length > 0 || Number.isNaN(dueAt)) return undefined;
  const occurrence = { task, vo, instance, dueAt };
  return occurrenceId(occurrence) === taskId ? occurrence : undefined;
}

/**
 * Whether a newer occurrence of the same schedule was published. A retry of this one is then no longer wanted (PROTOCOL 6).
 *
 * Returns false for ids that name no occurrence. Takes one request. Throws when the broker does not answer.
 */
export async function isSuperseded(broker: Pick<Broker, "jsm">, taskId: string): Promise<boolean> {
  const occurrence = parseOccurrenceId(taskId);
  if (occurrence === undefined) return false;
  let subject: string;
  try {
    subject = markerSubject(occurrence, occurrence.instance);
  } catch (error) {
    if (error instanceof InvalidNameError) return false; // an id of another user that only looks like ours
    throw error;
  }
  const marker = await readMarker(broker, subject);
  // A marker that was written alone does not mean a newer occurrence. Its time is that of a change.
  return marker?.dueAt !== undefined && marker.dueAt > occurrence.dueAt && marker.message === marker.sequence + 1;
}
