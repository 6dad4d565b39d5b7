// Tested by libs/tasks/src/schedule/store_apart_test.ts
import type { Broker } from "../broker/broker.ts";
import { type Marker, printMarker } from "../broker/marker.ts";
import {
  EXPECTED_LAST_SUBJECT_SEQUENCE,
  EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT,
  MSG_ID,
  TASK_ID,
} from "../format/headers.ts";
import { messagesOf, type ScheduleWrite } from "./schedule_write.ts";

/** What is told where occurrences go one by one. */
export const NO_BATCHES =
  "Occurrences are stored one by one: nats-server takes up no more batches on TASKS. Some client begins batches and does not end them, or max_batch_inflight_per_stream is too low";

/**
 * Stores an occurrence, and then its marker, where the server takes up no batch (PROTOCOL 6.4). Returns the new marker.
 *
 * The occurrence goes first, and only while the marker is the one that was read. Its `Nats-Msg-Id` makes a repeat harmless, also one of
 * another leader that saw the same marker. Throws what JetStream refuses, and its silence.
 */
export async function storeApart(broker: Broker, write: ScheduleWrite): Promise<Marker> {
  const { entry, step } = write;
  const { planned } = entry;
  const [marker, task] = messagesOf(write);
  if (marker === undefined) throw new Error(`Cannot store ${planned.key}: it has no marker`);
  let message = step.kind === "restart" ? step.message : 0;
  if (task !== undefined) {
    const { headers } = task;
    headers.set(MSG_ID, broker.messageIds.of(headers.get(TASK_ID)));
    headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, marker.headers.get(EXPECTED_LAST_SUBJECT_SEQUENCE));
    headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT, marker.subject);
    message = (await broker.requests.store(task)).seq;
  }
  const body = printMarker({ dueAt: step.dueAt, schedule: planned.text, message });
  const { seq: sequence } = await broker.requests.store({ ...marker, body });
  return { sequence, dueAt: step.dueAt, schedule: planned.text, message };
}
