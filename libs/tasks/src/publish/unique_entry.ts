// Tested by tests/src/worker/unique_test.ts
import type { Broker } from "../broker/broker.ts";
import { readTimed } from "../broker/timed_entry.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import { boundId, checkTaskId } from "../format/delivery.ts";
import {
  EXPECTED_LAST_SUBJECT_SEQUENCE,
  headerOf,
  KV_OPERATION,
  MESSAGE_TTL,
  ROLLUP,
  TASK_UNIQUE,
} from "../format/headers.ts";
import type { TaskAddress } from "../format/subject.ts";
import { escapeToken } from "../format/token.ts";
import { isConflict } from "../streams/streams.ts";

/*
 * The entry `unique.<Task>.<vo>.<key>` of the bucket `results` says which task of a key waits, and which have begun (PROTOCOL 15).
 *
 * States of a key:
 *   free      no entry
 *   claimed   `waiting` names a task whose message is perhaps not stored yet. It bears that message.
 *   waiting   `waiting` names a task whose message was stored
 *   begun     `waiting` is undefined; `begun` names tasks that have begun and not ended
 *   left      only `replacedUpTo`: the key is free, and a task that was replaced may still be in a worker's hand
 *
 * Transitions, each by compare-and-set:
 *   free, left, begun -> claimed by who publishes
 *   claimed -> waiting           by who publishes, by another who publishes, or by a worker that meets a replaced task
 *   waiting -> claimed           by who replaces, and by who stores a displaced message again
 *   claimed, waiting -> begun    by the worker whose run begins
 *   begun -> free, left          by the worker whose run has ended
 */

/** Time to live of an entry beyond the time at which its task is due, ms. Each change begins it anew. */
const KEPT_MS = 30 * 86_400_000;
/** Longest time to live of a mark that frees a key. */
const MARK_TTL = "60s";

/** The task of a key that waits. */
export interface WaitingUnique {
  readonly taskId: string;
  /** Where its message was stored; absent: perhaps nowhere yet. */
  readonly stored?: { readonly stream: string; readonly sequence: number };
  /** The task itself, until its message is known to be stored. Others then store it in place of a dead publisher. */
  readonly task?: SpawnedTask;
  /** How long its result is kept, ms, where somebody asked for that. */
  readonly keepResultMs?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
}

export interface UniqueEntry {
  readonly waiting?: WaitingUnique;
  /** Ids of the tasks that have begun their first attempt and not ended it. */
  readonly begun: readonly string[];
  /**
   * Revision up to which claims are over: a task of such a claim that is not in `begun` was replaced, and must not run. Written by who replaces;
   * read by workers. It outlives the task that replaced it. Absent: none was replaced whose message may still be about.
   */
  readonly replacedUpTo?: number;
  /** Latest start of a replaced task, RFC 3339 in UTC, where its message may fire in LATER after all. The mark lives for longer than that. */
  readonly replacedStart?: string;
}

/** An entry, and the revision that a change of it expects. */
export interface FoundUnique extends UniqueEntry {
  /** 0: nothing is stored. */
  readonly revision: number;
  /** Whether an entry is there that counts. */
  readonly exists: boolean;
}

/** What a key is of. */
export interface UniqueKey extends TaskAddress {
  readonly key: string;
}

/** Returns `key`. Throws `InvalidNameError` where a header would change it. */
export function checkUniqueKey(key: string): string {
  return checkTaskId(key, "unique key");
}

/** The key's own key in the bucket `results`. */
export function uniqueEntryKey({ task, vo, key }: UniqueKey): string {
  return `unique.${escapeToken(task)}.${escapeToken(vo)}.${escapeToken(boundId(key))}`;
}

/** Last token of the subject in LATER under which the delayed tasks of a key replace each other. No id begins with NUL. */
export function laterTokenOf(key: string): string {
  return `\0${boundId(key)}`;
}

/** Which claim of which key a message belongs to. */
export interface UniqueClaim {
  readonly key: string;
  /** Revision of the entry that claimed the key for this task. */
  readonly revision: number;
}

/** The header that says so: the revision, a space, and the key. */
export function uniqueHeader({ key, revision }: UniqueClaim): string {
  return `${revision} ${key}`;
}

/** Undefined where the message belongs to no key, or where its header was not made by Muster. */
export function uniqueClaimOf(headers: MsgHdrs | undefined): UniqueClaim | undefined {
  const text = headerOf(headers, TASK_UNIQUE);
  if (text === "") return undefined;
  const [, digits, key] = /^([1-9][0-9]{0,15}) (.+)$/s.exec(text) ?? [];
  return digits === undefined || key === undefined ? undefined : { key, revision: Number(digits) };
}

/** What an entry says of replaced tasks. */
type Mark = Pick<UniqueEntry, "replacedUpTo" | "replacedStart">;

/** The mark of an entry, which the next one keeps. */
export function markOf({ replacedUpTo, replacedStart }: Mark): Mark {
  return {
    ...(replacedUpTo === undefined ? {} : { replacedUpTo }),
    ...(replacedStart === undefined ? {} : { replacedStart }),
  };
}

/** The mark of the entry that takes the place of `found`, whose task `replaced` must not run. */
export function markAfter(found: FoundUnique, replaced: WaitingUnique): Mark {
  const starts = [found.replacedStart, replaced.startAt].filter((start) => start !== undefined);
  const [replacedStart] = starts.sort((a, b) => Date.parse(b) - Date.parse(a));
  return { replacedUpTo: found.revision, ...(replacedStart === undefined ? {} : { replacedStart }) };
}

function parseEntry(text: string | undefined): UniqueEntry | undefined {
  if (text === undefined) return undefined;
  try {
    const { waiting, begun, replacedUpTo, replacedStart } = JSON.parse(text);
    const isWaiting = typeof waiting === "object" && waiting !== null && typeof waiting.taskId === "string";
    return {
      ...(isWaiting ? { waiting } : {}),
      begun: Array.isArray(begun) ? begun.map(String) : [],
      ...(typeof replacedUpTo === "number" ? { replacedUpTo } : {}),
      ...(typeof replacedStart === "string" ? { replacedStart } : {}),
    };
  } catch {
    return undefined; // an entry that was put there by hand
  }
}

/** Reads an entry from the leader. Throws when the broker does not answer. */
export async function readUnique(broker: Pick<Broker, "jsm" | "time">, of: UniqueKey): Promise<FoundUnique> {
  const { revision, text } = await readTimed(broker, "results", uniqueEntryKey(of));
  const entry = parseEntry(text);
  return { begun: [], ...entry, revision, exists: entry !== undefined };
}

function ttlOf({ waiting, replacedStart }: UniqueEntry): string {
  const starts = [waiting?.startAt, replacedStart].map((start) => (start === undefined ? 0 : Date.parse(start) || 0));
  const aheadMs = Math.max(0, Math.max(...starts) - Date.now());
  return `${Math.ceil((aheadMs + KEPT_MS) / 1_000)}s`;
}

/**
 * Writes an entry if the one that is there still has `revision`, and frees the key where nothing is left to tell. Returns the new revision;
 * undefined: another one was faster. Throws when the broker does not answer.
 */
export async function writeUnique(
  { requests }: Pick<Broker, "requests">,
  of: UniqueKey,
  { entry, revision }: { readonly entry: UniqueEntry; readonly revision: number },
): Promise<number | undefined> {
  const headers = newHeaders();
  headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(revision));
  const isFree = entry.waiting === undefined && entry.begun.length === 0 && entry.replacedUpTo === undefined;
  if (isFree) {
    headers.set(KV_OPERATION, "PURGE");
    headers.set(ROLLUP, "sub");
    headers.set(MESSAGE_TTL, MARK_TTL);
  } else headers.set(MESSAGE_TTL, ttlOf(entry));
  try {
    const body = isFree ? "" : JSON.stringify(entry);
    return (await requests.store({ subject: `$KV.results.${uniqueEntryKey(of)}`, body, headers })).seq;
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
}
