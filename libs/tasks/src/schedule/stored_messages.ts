import { JetStreamApiError, type JetStreamManager, type StoredMsg } from "@nats-io/jetstream";
import type { Broker } from "../wire/broker.ts";

/** JetStream's answer to a delete of what is not there. */
const NO_SUCH_MESSAGE = 10057;

/** The first message of `stream` from sequence `from` on whose subject matches, by the word of the stream's leader; null: there is none. */
export function nextStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject }: { readonly from: number; readonly subject: string },
): Promise<StoredMsg | null> {
  // The client's type knows this query for direct reads only, which a replica may answer.
  const query = { seq: from, next_by_subj: subject };
  return jsm.streams.getMessage(stream, query);
}

/** Removes one message, without overwriting its bytes. One that is not there any more is as good. */
export async function deleteStored({ jsm }: Broker, stream: string, sequence: number): Promise<void> {
  try {
    await jsm.streams.deleteMessage(stream, sequence, false);
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === NO_SUCH_MESSAGE)) throw error;
  }
}
