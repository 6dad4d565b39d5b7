import { JetStreamApiError, type JetStreamManager, type StoredMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "./broker.ts";
import { storedHeaders } from "../format/headers.ts";
import { askAsMuster } from "../connection/own_requests.ts";
import { checkLiteralSubject } from "../format/subject.ts";

/** JetStream's answer to a delete of what is not there. */
const NO_SUCH_MESSAGE = 10057;

/** A message as the stream has it. */
export interface Stored extends Pick<StoredMsg, "subject" | "seq" | "time" | "timestamp" | "data"> {
  /** Undefined where they cannot be read, too: whoever writes to a socket himself may send any bytes. */
  readonly header: MsgHdrs | undefined;
}

function readStored(stored: StoredMsg): Stored {
  const { subject, seq, time, timestamp, data } = stored;
  return { subject, seq, time, timestamp, data, header: storedHeaders(stored) };
}

/**
 * The first message of `stream` from sequence `from` on that matches `filter`, by the word of the stream's leader; null: there is none.
 *
 * For filters of our own making. A subject that was read from a stream goes to {@linkcode nextStored}.
 */
export async function nextMatching(
  jsm: JetStreamManager,
  stream: string,
  { from, filter }: { readonly from: number; readonly filter: string },
): Promise<Stored | null> {
  // The client's type knows this query for direct reads only, which a replica may answer.
  const query = { seq: from, next_by_subj: filter };
  const stored = await jsm.streams.getMessage(stream, query);
  return stored === null ? null : readStored(stored);
}

/** The first message on exactly `subject`, as {@linkcode nextMatching} finds it. Throws `RangeError` for a subject that is no literal one. */
export async function nextStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject }: { readonly from: number; readonly subject: string },
): Promise<Stored | null> {
  return await nextMatching(jsm, stream, { from, filter: checkLiteralSubject(subject) });
}

/** Removes the messages on exactly `subject` but the `keep` newest ones. Throws `RangeError` for a subject that is no literal one. */
export async function purgeStored(
  { nc }: Broker,
  stream: string,
  { subject, keep }: { readonly subject: string; readonly keep: number },
): Promise<void> {
  const filter = checkLiteralSubject(subject);
  await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter, ...(keep === 0 ? {} : { keep }) });
}

/**
 * Removes what lies on exactly `subject` at `sequence` or before it; what is stored there later stays. So it is a compare-and-set where a
 * subject has one message. Throws `RangeError` for a subject that is no literal one.
 */
export async function purgeStoredUpTo(
  { nc }: Pick<Broker, "nc">,
  stream: string,
  { subject, sequence }: { readonly subject: string; readonly sequence: number },
): Promise<void> {
  const filter = checkLiteralSubject(subject);
  await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter, seq: sequence + 1 });
}

/** Removes one message, without overwriting its bytes. One that is not there any more is as good. */
export async function deleteStored({ jsm }: Broker, stream: string, sequence: number): Promise<void> {
  try {
    await jsm.streams.deleteMessage(stream, sequence, false);
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === NO_SUCH_MESSAGE)) throw error;
  }
}
