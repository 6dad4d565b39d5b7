import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import {
  EXPECTED_LAST_SUBJECT_SEQUENCE,
  headerOf,
  MSG_ID,
  SCHEDULE,
  SCHEDULE_TARGET,
  TASK_ID,
} from "../format/headers.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { isConflict } from "../streams/streams.ts";

/** Headers that a schedule needs. The server added the other ones of its own, or would refuse the message for them. */
const NEEDED = [SCHEDULE, SCHEDULE_TARGET];

/** A delayed message, unchanged. */
export interface LaterCopy {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

/** Size of a copy, bytes. Headers are not counted one by one. */
export function sizeOf({ data }: LaterCopy): number {
  return data.length + 1024;
}

/** When a message with these headers is due, ms since the epoch; undefined where they state no single time. */
export function dueAtOf(headers: MsgHdrs | undefined): number | undefined {
  const schedule = headerOf(headers, SCHEDULE);
  const dueAt = schedule.startsWith("@at ") ? Date.parse(schedule.slice("@at ".length)) : Number.NaN;
  return Number.isNaN(dueAt) ? undefined : dueAt;
}

/**
 * Stores a delayed message again where its subject is empty, under the same identity. Returns whether it was stored.
 *
 * The broker still knows the id of the vanished message and would refuse a repeat of it. So the id goes into `Task-Id`.
 */
export async function restoreLater(broker: Broker, subject: string, copy: LaterCopy): Promise<boolean> {
  const headers = newHeaders();
  for (const [key, values] of copy.headers ?? []) {
    if (key.startsWith("Nats-") && !NEEDED.includes(key)) continue;
    for (const value of values) headers.append(key, value);
  }
  const id = headerOf(copy.headers, TASK_ID) || headerOf(copy.headers, MSG_ID);
  if (id !== "") headers.set(TASK_ID, id);
  headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
  try {
    await publishSurely(broker, { subject, body: copy.data, headers });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}
