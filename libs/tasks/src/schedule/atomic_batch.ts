import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import { randomUUID } from "node:crypto";
import type { Broker } from "../wire/broker.ts";

/** The server takes no more messages in one batch. */
export const BATCH_LIMIT = 1_000;

export interface BatchMessage {
  readonly subject: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

function headersFrom(entries: Readonly<Record<string, string>>): MsgHdrs {
  const headers = newHeaders();
  for (const [key, value] of Object.entries(entries)) headers.set(key, value);
  return headers;
}

/**
 * Stores all of `messages` one behind the other, or none, and answers the first one's sequence. Expectations in their headers
 * hold together. One round trip.
 *
 * The client's own batch publisher drops expectations and the server's error code. Throws what JetStream refuses, and what
 * `isSilence` knows where all or none may be stored.
 */
export async function publishAtomically({ nc, js }: Broker, messages: readonly BatchMessage[]): Promise<number> {
  const last = messages.at(-1);
  if (last === undefined || messages.length > BATCH_LIMIT) {
    throw new RangeError(`Cannot publish a batch of ${messages.length} messages: give 1 to ${BATCH_LIMIT}`);
  }
  const batchId = randomUUID();
  const headersOf = (message: BatchMessage, number: number) =>
    headersFrom({ ...message.headers, "Nats-Batch-Id": batchId, "Nats-Batch-Sequence": String(number) });
  for (const [index, message] of messages.slice(0, -1).entries()) {
    nc.publish(message.subject, message.body, { headers: headersOf(message, index + 1) });
  }
  const headers = headersOf(last, messages.length);
  headers.set("Nats-Batch-Commit", "1");
  const { seq } = await js.publish(last.subject, last.body, { headers });
  return seq - messages.length + 1;
}
