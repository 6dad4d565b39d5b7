// Tested by tests/src/worker/group_test.ts
import { JetStreamApiError } from "@nats-io/jetstream";
import { KV_OPERATION, MESSAGE_TTL } from "../format/headers.ts";
import type { Broker } from "./broker.ts";
import { hasLapsed, parseTtl } from "./timed_entry.ts";

/** Number of entries that are on their way or wait to be taken. An entry has 1 MiB at most by the server's default, and mostly far less. */
const AT_ONCE = 64;
/** JetStream's code where nothing is stored on a subject. */
const NO_MESSAGE = 10037;
/** Headers of the marks that stand where a value was deleted, or has lapsed. */
const MARKS = [KV_OPERATION, "Nats-Marker-Reason"];

/** A stored message as JetStream's answer has it. Its bytes are in base64. */
interface Answer {
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string };
  readonly message?: {
    readonly subject: string;
    readonly time: string;
    readonly data?: string;
    readonly hdrs?: string;
  };
}

type Parts = Pick<Broker, "requests" | "time">;

function textOf(base64: string | undefined): string {
  return base64 === undefined ? "" : Buffer.from(base64, "base64").toString();
}

function headerIn(headers: string, name: string): string {
  const from = headers.indexOf(`\r\n${name}:`);
  return from < 0 ? "" : headers.slice(from + name.length + 3, headers.indexOf("\r\n", from + 2)).trim();
}

/** Reads one key as {@linkcode readManyTimed} does. Throws when the broker does not answer. */
export async function readOneTimed(
  { requests, time }: Parts,
  bucket: string,
  key: string,
): Promise<string | undefined> {
  const subject = `$KV.${bucket}.${key}`;
  const body = JSON.stringify({ last_by_subj: subject });
  const { error, message }: Answer = JSON.parse(
    (await requests.ask({ subject: `$JS.API.STREAM.MSG.GET.KV_${bucket}`, body })).string(),
  );
  if (error !== undefined && error.err_code !== NO_MESSAGE) throw new JetStreamApiError(error);
  if (message?.subject !== subject) return undefined;
  const headers = textOf(message.hdrs);
  if (MARKS.some((name) => headerIn(headers, name) !== "")) return undefined;
  const ttlMs = parseTtl(headerIn(headers, MESSAGE_TTL));
  return (await hasLapsed(time, { storedAtMs: Date.parse(message.time), ttlMs })) ? undefined : textOf(message.data);
}

/**
 * Reads many keys whose entries have a TTL, from the stream's leader. Yields their values in the order of the keys; undefined: a key has none
 * that counts.
 *
 * Reads ahead by 64 keys, so its memory does not grow with their number. It costs a third of the CPU of `readTimed` for each. Throws when the
 * broker does not answer.
 */
export async function* readManyTimed(
  parts: Parts,
  bucket: string,
  keys: Iterable<string>,
): AsyncGenerator<string | undefined> {
  const ahead: Promise<string | undefined>[] = [];
  for (const key of keys) {
    const reading = readOneTimed(parts, bucket, key);
    // It is awaited in its turn. The caller may stop before that.
    reading.catch(() => undefined);
    ahead.push(reading);
    if (ahead.length >= AT_ONCE) yield await ahead.shift();
  }
  for (const reading of ahead) yield await reading;
}
