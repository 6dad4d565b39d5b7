import type { MsgHdrs } from "@nats-io/nats-core";
import { createHash } from "node:crypto";
import { headerOf, MSG_ID, SCHEDULER, TASK_ATTEMPT, TASK_ID, TASK_PAYLOAD_VERSION } from "./headers.ts";
import { InvalidNameError } from "./names.ts";
import { unescapeToken } from "./token.ts";

/** What the server says of a message it delivers, read from the reply subject to which the ack goes. */
export interface Delivery {
  readonly stream: string;
  readonly consumer: string;
  /** Number of deliveries of this message, with this one. Hand-backs count, and a crash of the server can lose one. */
  readonly count: number;
  readonly streamSequence: number;
  /** The consumer's own count of deliveries, from 1. */
  readonly consumerSequence: number;
  /** When the message was stored, ns since the epoch, as text: a number would be rounded. */
  readonly storedAtNs: string;
  /** Messages still waiting at this consumer; handed-back ones are not counted. */
  readonly pending: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<consumer seq>.<time>.<pending>`, or its longer form with domain and account.
 *
 * @see NATS ADR-15
 */
export function readAckReply(reply: string): Delivery {
  const tokens = reply.split(".");
  const at = tokens.length > 9 ? 4 : 2;
  const [stream, consumer, count, streamSequence, consumerSequence, storedAtNs, pending] = tokens.slice(at, at + 7);
  if (tokens[1] !== "ACK" || stream === undefined || consumer === undefined || storedAtNs === undefined) {
    throw new SyntaxError(`Cannot read reply subject ${JSON.stringify(reply)}: not an ack subject of JetStream`);
  }
  return {
    stream,
    consumer,
    count: Number(count),
    streamSequence: Number(streamSequence),
    consumerSequence: Number(consumerSequence),
    storedAtNs,
    pending: Number(pending),
  };
}

/** A name that only this message has. A stream that was created anew gives none of its messages the same name. */
export function nameOfMessage({
  stream,
  streamSequence,
  storedAtNs,
}: Pick<Delivery, "stream" | "streamSequence" | "storedAtNs">): string {
  return `${stream}-${streamSequence}-${storedAtNs}`;
}

/** Length of the longest id that is used unchanged, bytes of UTF-8. A longer one is replaced by its SHA-256. */
export const MAX_ID_BYTES = 200;

/** Returns `id`, or the SHA-256 of an id over 200 bytes. */
export function boundId(id: string): string {
  if (id.length * 3 <= MAX_ID_BYTES || Buffer.byteLength(id) <= MAX_ID_BYTES) return id;
  return `sha256-${createHash("sha256").update(id).digest("hex")}`;
}

/** Returns `id`. Throws `InvalidNameError` where a header or the database would change it. */
export function checkTaskId(id: string, what: "task id" | "unique key" = "task id"): string {
  const problem = problemOfId(id);
  if (problem === undefined) return id;
  const rule = `a ${what} is text without control characters, and no space stands at its ends`;
  throw new InvalidNameError({ what, value: id, problem, rule });
}

function problemOfId(id: string): string | undefined {
  if (id === "") return "it is empty";
  if (/\p{Cc}/u.test(id)) return "it holds a control character";
  if (!id.isWellFormed()) return "it holds half a character";
  return id === id.trim() ? undefined : "it begins or ends with a space";
}

/** The id in a token that the client chose. Unescapes it as one of ours; a token that cannot be unescaped is returned unchanged. */
function idOfToken(token: string): string {
  try {
    return unescapeToken(token);
  } catch {
    return token; // another client has its own use of "="
  }
}

/** The identity of a task message: the same on every redelivery and retry, and never given to another task (PROTOCOL 1). */
export function taskIdOf(
  headers: MsgHdrs | undefined,
  delivery: Pick<Delivery, "stream" | "streamSequence" | "storedAtNs">,
): string {
  const given = headerOf(headers, TASK_ID) || headerOf(headers, MSG_ID);
  if (given) return boundId(given);
  const scheduler = headerOf(headers, SCHEDULER);
  if (scheduler) return boundId(idOfToken(scheduler.slice(scheduler.lastIndexOf(".") + 1)));
  return nameOfMessage(delivery);
}

/** Reads a header that counts from 1; 1 where it is missing. Throws `InvalidNameError` unless it is a whole number up to 1,000,000. */
function numberIn(headers: MsgHdrs | undefined, name: string, noun: string): number {
  const text = headerOf(headers, name);
  if (text === "") return 1;
  const number = Number(text);
  if (/^[0-9]{1,7}$/.test(text) && number >= 1 && number <= 1_000_000) return number;
  throw new InvalidNameError({
    what: `header ${name}`,
    value: text,
    problem: `it is no ${noun}`,
    rule: "leave it out, or give a whole number from 1",
  });
}

/** The attempt that a message asks for, 1 where the header is missing. Throws `InvalidNameError`. */
export function attemptOf(headers: MsgHdrs | undefined): number {
  return numberIn(headers, TASK_ATTEMPT, "attempt number");
}

/** The version of a message's payload, 1 where the header is missing. Throws `InvalidNameError`. */
export function payloadVersionOf(headers: MsgHdrs | undefined): number {
  return numberIn(headers, TASK_PAYLOAD_VERSION, "version number");
}
