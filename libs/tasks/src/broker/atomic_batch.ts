import { JetStreamApiError } from "@nats-io/jetstream";
import { randomUUID } from "node:crypto";
import type { Broker } from "./broker.ts";
import { onForbidden } from "../connection/forbidden.ts";
import type { OutgoingMessage } from "./publish_surely.ts";
import { noteFailure } from "../streams/storage.ts";

/** Greatest number of messages in one batch: the server's limit. */
export const BATCH_LIMIT = 1_000;
/** JetStream's codes for a batch of which it has no beginning, and for one batch too many. */
const NOT_TAKEN_UP: readonly number[] = [10176, 10210];

/** Whether the server has not taken up a batch, since it holds as many as it may. Nothing of the batch is stored. */
export function isBatchNotTakenUp(error: unknown): boolean {
  return error instanceof JetStreamApiError && NOT_TAKEN_UP.includes(error.code);
}

/**
 * Stores all of `messages` next to each other, or none. Returns the sequence of the first one. Takes one round trip.
 *
 * All messages must go to one stream. Headers are added to them. All expectations in the headers must hold, and one repeated id refuses the
 * whole batch.
 *
 * The client's own batch publisher drops expectations and the server's error code. Throws the errors of JetStream. Throws an error that
 * `isSilence` knows where either all or none are stored.
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
  // The server answers the last message only, and that answer does not say which message was refused.
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
