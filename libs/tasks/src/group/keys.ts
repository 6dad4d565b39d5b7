import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../format/headers.ts";
import { escapeToken, unescapeToken } from "../format/token.ts";
import { isConflict } from "../streams/streams.ts";

/*
 * The entries of a group in the bucket `results` (PROTOCOL 7). Each is created once and never overwritten, so that no older value of it can
 * come back after a kill of the server.
 *
 *   group.<id>.list.<n>  the children, in chunks. Written before `spec`
 *   group.<id>.spec      what the group is. Written once all children are published: it seals the group
 *   group.<id>.c.<i>     how child i ended. Written by the one that ended it, before the ack
 *   group.<id>.f.<i>     that this end was no `done`. Written after it
 *   group.<id>.closed    why the group was closed, and which children had ended by then
 *   group.<id>.called    that the callback is published, and the rest cancelled where it must be
 *   group.<id>.then      how the callback ended. Written before its ack
 */

/** Time to live of a group's entries, hours: the longest deadline, and as long again for the callback. */
const GROUP_TTL_HOURS = 1_440;

export const BUCKET_STREAM = "KV_results";
const BUCKET_SUBJECTS = "$KV.results.";

/** The key of one entry of a group. */
export function groupKey(group: string, ...rest: readonly (string | number)[]): string {
  return ["group", escapeToken(group), ...rest].join(".");
}

/** The filter of the entries of a group whose keys begin with `rest`, or of all its entries. */
export function groupSubjects(group: string, ...rest: readonly string[]): string {
  return `${BUCKET_SUBJECTS}${groupKey(group, ...rest)}.>`;
}

/** The filter of one kind of entry of all groups. */
export function subjectsOfAll(kind: "spec" | "called" | "then"): string {
  return `${BUCKET_SUBJECTS}group.*.${kind}`;
}

/** Creates an entry. Returns whether it was there before. Throws `PublishUnknownError` when the broker does not answer for 20 s. */
export async function createEntry(broker: Broker, key: string, value: object): Promise<"created" | "was there"> {
  return await writeEntry(broker, { key, value, revision: 0 });
}

/** Writes an entry whose key is at `revision`. Returns `was there` where it is not. */
export async function writeEntry(
  broker: Broker,
  { key, value, revision }: { readonly key: string; readonly value: object; readonly revision: number },
): Promise<"created" | "was there"> {
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, `${GROUP_TTL_HOURS}h`);
  headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(revision));
  try {
    await publishSurely(broker, { subject: BUCKET_SUBJECTS + key, body: JSON.stringify(value), headers });
    return "created";
  } catch (error) {
    if (isConflict(error)) return "was there";
    throw error;
  }
}

/** Reads an entry from the stream's leader; undefined: there is none that counts. Throws when the broker does not answer. */
export async function readEntry<Value>(
  broker: Pick<Broker, "jsm" | "time">,
  key: string,
): Promise<{ readonly value: Value; readonly revision: number } | undefined> {
  const { text, revision } = await readTimed(broker, "results", key);
  return text === undefined ? undefined : { value: JSON.parse(text), revision };
}

/** The last tokens of the subjects that match `filter`. Throws when the broker does not answer. */
export async function listLastTokens({ jsm }: Pick<Broker, "jsm">, filter: string): Promise<readonly string[]> {
  const { state } = await jsm.streams.info(BUCKET_STREAM, { subjects_filter: filter });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(subject.lastIndexOf(".") + 1));
}

/** The ids of the groups that have this kind of entry. */
export async function listGroupIds(
  { jsm }: Pick<Broker, "jsm">,
  kind: "spec" | "called" | "then",
): Promise<readonly string[]> {
  const { state } = await jsm.streams.info(BUCKET_STREAM, { subjects_filter: subjectsOfAll(kind) });
  return Object.keys(state.subjects ?? {}).flatMap((subject) => {
    const [, , , token = ""] = subject.split(".");
    try {
      return [unescapeToken(token)];
    } catch {
      return []; // somebody stored it by hand
    }
  });
}
