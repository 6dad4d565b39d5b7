import { randomUUID } from "node:crypto";
import type { Broker } from "./broker.ts";
import { onForbidden } from "../connection/forbidden.ts";
import type { OutgoingMessage } from "./publish_surely.ts";
import { noteFailure } from "../streams/storage.ts";

/** The server takes no more messages in one batch. */
export const BATCH_LIMIT = 1_000;

/**
 * Stores all of `messages` one behind the other, or none, and returns the first one's sequence. Expectations in their headers
 * hold together, and one repeat of an id refuses all. One round trip. All must be of one stream; their headers are added to.
 *
 * The client's own batch publisher drops expectations and the server's error code. Throws what JetStream refuses, and what
 * `isSilence` knows where all or none may be stored.
 *
 * @see NATS ADR-50
 */
export async function publishAtomically(
  { nc, js, storage }: Broker,
  messages: readonly OutgoingMessage[],
): Promise<number> {
  const last = messages.at(-1);
  if (last === undefined || messages.length > BATCH_LIMIT) {
    throw new RangeError(`Cannot publish a batch of ${messages.length} messages: give 1 to ${BATCH_LIMIT}`);
  }
  const batchId = randomUUID();
  for (const [index, { headers }] of messages.entries()) {
    headers.set("Nats-Batch-Id", batchId);
    headers.set("Nats-Batch-Sequence", String(index + 1));
  }
  last.headers.set("Nats-Batch-Commit", "1");
  const subjects = new Set(messages.map(({ subject }) => subject));
  // Of the first ones nobody is answered, and the last one's answer would not say which was refused.
  const refused = Promise.withResolvers<never>();
  const stop = onForbidden(nc, (error) => {
    if (error.operation === "publish" && subjects.has(error.subject)) refused.reject(error);
  });
  try {
    for (const { subject, body, headers } of messages.slice(0, -1)) nc.publish(subject, body, { headers });
    const stored = js.publish(last.subject, last.body, { headers: last.headers });
    const { seq } = await Promise.race([stored, refused.promise]);
    storage.noteStored(last.subject);
    return seq - messages.length + 1;
  } catch (cause) {
    throw noteFailure(storage, last.subject, cause);
  } finally {
    stop();
  }
}
