import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "./broker.ts";
import { storedHeaders } from "../format/headers.ts";
import { ApiRefusedError, askAsMuster } from "../connection/own_requests.ts";
import { checkLiteralSubject } from "../format/subject.ts";

/**
 * JetStream's codes for the deletion of a message that does not exist. The first is for the oldest or newest one; the second is for one between
 * others (nats-server 2.15.2, measured).
 */
const NO_SUCH_MESSAGE: ReadonlySet<number> = new Set([10_057, 10_043]);

/** A message as the stream stores it. */
export interface Stored extends Pick<StoredMsg, "subject" | "seq" | "time" | "timestamp" | "data"> {
  /** Undefined also where the headers cannot be read: a publisher that writes to the socket itself may send any bytes. */
  readonly header: MsgHdrs | undefined;
}

function readStored(stored: StoredMsg): Stored {
  const { subject, seq, time, timestamp, data } = stored;
  return { subject, seq, time, timestamp, data, header: storedHeaders(stored) };
}

/**
 * Returns the first message of `stream` that matches `filter`, at sequence `from` or later, as the stream's leader has it; null: none.
 *
 * Use it with filters that Muster makes. A subject that was read from a stream goes to {@linkcode nextStored}.
 */
export async function nextMatching(
  jsm: JetStreamManager,
  stream: string,
  { from, filter }: { readonly from: number; readonly filter: string },
): Promise<Stored | null> {
  // The client's type knows this query only for direct reads, which a replica may answer.
  const query = { seq: from, next_by_subj: filter };
  const stored = await jsm.streams.getMessage(stream, query);
  return stored === null ? null : readStored(stored);
}

/**
 * Returns the first message on exactly `subject`, like {@linkcode nextMatching} does. Throws `RangeError` where `subject` is not literal.
 */
export async function nextStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject }: { readonly from: number; readonly subject: string },
): Promise<Stored | null> {
  return await nextMatching(jsm, stream, { from, filter: checkLiteralSubject(subject) });
}

/** Removes the messages on exactly `subject`, except the `keep` newest ones. Throws `RangeError` where `subject` is not literal. */
export async function purgeStored(
  { nc }: Broker,
  stream: string,
  { subject, keep }: { readonly subject: string; readonly keep: number },
): Promise<void> {
  const filter = checkLiteralSubject(subject);
  await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter, ...(keep === 0 ? {} : { keep }) });
}

/**
 * Removes the messages on exactly `subject` up to `sequence`, and keeps later ones. So it is a compare-and-set where a subject has one
 * message.
 *
 * Throws `RangeError` where `subject` is not literal.
 */
export async function purgeStoredUpTo(
  { nc }: Pick<Broker, "nc">,
  stream: string,
  { subject, sequence }: { readonly subject: string; readonly sequence: number },
): Promise<void> {
  const filter = checkLiteralSubject(subject);
  await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter, seq: sequence + 1 });
}

/** Removes all messages that match `filter`. Use it with filters that Muster makes. */
export async function purgeMatching({ nc }: Pick<Broker, "nc">, stream: string, filter: string): Promise<void> {
  await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter });
}

/** Removes one message, without overwriting its bytes. Accepts that it is already gone. */
export async function deleteStored({ nc }: Pick<Broker, "nc">, stream: string, sequence: number): Promise<void> {
  try {
    await askAsMuster(nc, `$JS.API.STREAM.MSG.DELETE.${stream}`, { seq: sequence, no_erase: true });
  } catch (error) {
    if (!(error instanceof ApiRefusedError && NO_SUCH_MESSAGE.has(error.code))) throw error;
  }
}
