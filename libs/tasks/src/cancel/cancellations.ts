// Tested by tests/src/worker/cancel_test.ts
import type { MsgHdrs } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { nextMatching, type Stored } from "../broker/stored_messages.ts";
import { hasLapsed, parseTtl } from "../broker/timed_entry.ts";
import { walkStream } from "../broker/walk_stream.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { groupPlaceOf } from "../format/group_place.ts";
import { headerOf, isMark, MESSAGE_TTL } from "../format/headers.ts";
import { unescapeToken } from "../format/token.ts";
import { isConflict, isStreamGone } from "../streams/streams.ts";
import {
  CANCEL_SUBJECTS,
  type Cancellation,
  cancelKey,
  parseCancellation,
  readCancellation,
  storeCancellation,
  type TaskEnding,
} from "./cancellation.ts";

const STREAM = "KV_results";
const FILTER = `${CANCEL_SUBJECTS}>`;
/** Time from one look to the next without a word, ms. Such a look finds what a refused subscription has missed. */
const LOOK_MS = 15_000;
/** Pauses before the looks after a word, ms. The word may come before the entry is stored. */
const HEARD_MS = [0, 50, 250, 1_000] as const;
/** Greatest number of tries to note how a task ended. */
const NOTE_TRIES = 3;

/** A cancellation, and the sequence of its message. */
export interface KnownCancellation {
  readonly sequence: number;
  readonly cancellation: Cancellation;
}

/** The cancellations that one process knows, kept up to date until disposed of. */
export interface Cancellations extends AsyncDisposable {
  /**
   * The cancellation that means a task, by its own id or by its group; undefined: none does. Costs one look into a map, and nothing while
   * there is none.
   */
  find(taskId: string, headers: MsgHdrs | undefined): Cancellation | undefined;
  /** All that are in force. */
  list(): readonly KnownCancellation[];
  /** Calls `listener` when something was cancelled, until the returned function is called. */
  onNews(listener: () => void): () => void;
  /**
   * Notes in its cancellation how a task has ended. Does nothing and returns undefined where it has none. Never throws: the note is for the one
   * who cancelled, and proves nothing.
   */
  noteEnded(taskId: string, ending: TaskEnding): Promise<void> | undefined;
}

/** Whether it stops a task. One that came too late for its task means no later task of the same id. */
function isInForce({ ended }: Cancellation): boolean {
  return ended === undefined || ended === "cancelled";
}

/** What is known of one start of the bucket. */
interface Book {
  readonly byId: Map<string, KnownCancellation>;
  /** When the bucket was created. Another time means another bucket, which counts from 1. */
  readonly created: string;
  /** All entries up to this sequence were read. */
  seen: number;
}

type CancellationsBroker = Pick<Broker, "nc" | "briefJsm" | "jsm" | "time" | "requests" | "observer">;

/** The id in a key; the key itself where it is none of ours. */
function idIn(key: string): string {
  try {
    return unescapeToken(key.slice("cancel.".length));
  } catch {
    return key;
  }
}

/** Reads one entry into the book. Returns whether it is a new cancellation in force. */
async function enter({ byId }: Book, { time }: Pick<Broker, "time">, stored: Stored): Promise<boolean> {
  const { subject, seq, header, data } = stored;
  const key = subject.slice("$KV.results.".length);
  const cancellation = isMark(header) ? undefined : parseCancellation(new TextDecoder().decode(data));
  if (cancellation === undefined) {
    byId.delete(idIn(key));
    return false;
  }
  // The key of an entry that was stored by hand may name another id.
  if (cancelKey(cancellation.id) !== key) return false;
  const ttlMs = parseTtl(headerOf(header, MESSAGE_TTL));
  if (await hasLapsed(time, { storedAtMs: stored.time.getTime(), ttlMs })) return false;
  byId.set(cancellation.id, { sequence: seq, cancellation });
  return isInForce(cancellation);
}

function findIn({ byId }: Book, taskId: string, headers: MsgHdrs | undefined): Cancellation | undefined {
  if (byId.size === 0) return undefined;
  const own = byId.get(taskId)?.cancellation;
  if (own?.of === "task" && isInForce(own)) return own;
  const group = groupPlaceOf(headers)?.group;
  const whole = group === undefined ? undefined : byId.get(group)?.cancellation;
  return whole?.of === "group" ? whole : undefined;
}

/** Reads all entries of the bucket as it is now. */
async function load(broker: CancellationsBroker): Promise<Book> {
  const { created, state } = await broker.jsm.streams.info(STREAM);
  const book: Book = { byId: new Map(), created, seen: state.last_seq };
  // Mostly there is none, and one question tells that.
  const first = await nextMatching(broker.jsm, STREAM, { from: 1, filter: FILTER });
  if (first === null) return book;
  const [all, last] = [Number.POSITIVE_INFINITY, state.last_seq];
  const walk = { stream: STREAM, filter: FILTER, first: first.seq, last, maxMessages: all, maxBytes: all };
  await walkStream(broker.jsm, walk, async (stored) => void (await enter(book, broker, stored)));
  return book;
}

/** Hears of news, and calls `look` then, after each reconnect and every 15 s, until disposed of. */
function followNews({ nc }: CancellationsBroker, look: () => Promise<void>): Disposable {
  let isClosed = false;
  let isFollowing = false;
  let isHeardAgain = false;
  async function follow(): Promise<void> {
    isHeardAgain = true;
    if (isFollowing) return;
    isFollowing = true;
    while (isHeardAgain && !isClosed) {
      isHeardAgain = false;
      for (const ms of HEARD_MS) {
        if (ms > 0) await pause(ms, undefined, { ref: false });
        await look();
        if (isHeardAgain || isClosed) break;
      }
    }
    isFollowing = false;
  }
  const listening = subscribeLasting(nc, { subject: FILTER }, () => void follow());
  const stopListening = onReconnect(nc, () => void follow());
  const looking = setInterval(() => void look(), LOOK_MS).unref();
  return {
    [Symbol.dispose]() {
      isClosed = true;
      clearInterval(looking);
      stopListening();
      listening[Symbol.dispose]();
    },
  };
}

/** Stores `cancellation` in the place of the message at `sequence`. Returns its new sequence; undefined: another entry stands there now. */
async function replace(
  broker: CancellationsBroker,
  { sequence, cancellation }: KnownCancellation,
): Promise<number | undefined> {
  try {
    return await storeCancellation(broker, cancellation, sequence);
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
}

/** Notes in the book's entry of a task, and in the bucket's, how the task has ended. Throws when the broker does not answer. */
async function noteEnding(
  broker: CancellationsBroker,
  { byId }: Book,
  { taskId, ended }: { readonly taskId: string; readonly ended: TaskEnding },
): Promise<void> {
  let known = byId.get(taskId);
  for (let tries = 0; tries < NOTE_TRIES; tries++) {
    if (known?.cancellation.of !== "task" || known.cancellation.ended === ended) return;
    const cancellation = { ...known.cancellation, ended };
    const sequence = await replace(broker, { ...known, cancellation });
    if (sequence !== undefined) return void byId.set(taskId, { sequence, cancellation });
    // It was asked for again meanwhile.
    const now = await readCancellation(broker, taskId);
    known = now.cancellation && { sequence: now.revision, cancellation: now.cancellation };
  }
}

/**
 * Loads the cancellations, and follows them: a word on the bucket's subject says that there is news, and then the entries are read from the
 * stream's leader.
 *
 * Throws when the broker does not answer at the start.
 */
export async function openCancellations(broker: CancellationsBroker): Promise<Cancellations> {
  const { nc, briefJsm, observer } = broker;
  const listeners = new Set<() => void>();
  let book = await load(broker);
  let isClosed = false;
  let isTold = false;

  /** Returns whether something was cancelled since the last time. */
  async function readOn(): Promise<boolean> {
    const { created, state } = await briefJsm.streams.info(STREAM);
    if (created !== book.created || state.last_seq < book.seen) {
      book = await load(broker);
      return true;
    }
    let isNews = false;
    while (book.seen < state.last_seq) {
      const next = await nextMatching(briefJsm, STREAM, { from: book.seen + 1, filter: FILTER });
      if (next !== null) isNews = (await enter(book, broker, next)) || isNews;
      book.seen = next?.seq ?? state.last_seq;
    }
    return isNews;
  }

  async function lookNow(): Promise<void> {
    if (isClosed || nc.isClosed()) return;
    try {
      const isNews = await readOn();
      isTold = false;
      if (isNews) for (const listener of [...listeners]) listener();
    } catch (cause) {
      if (isTold || isSilence(cause) || isStreamGone(cause)) return;
      observer.note("Cannot read which tasks were cancelled for now; it is tried again", { cause });
      isTold = true;
    }
  }

  let reading: Promise<void> = Promise.resolve();
  /** Looks one after the other. Never throws: the next look comes by itself. */
  function look(): Promise<void> {
    reading = reading.then(lookNow);
    return reading;
  }

  const following = followNews(broker, look);
  // What was cancelled between the loading and the subscription.
  await nc.flush();
  await look();
  return {
    find: (taskId, headers) => findIn(book, taskId, headers),
    list: () => [...book.byId.values()].filter(({ cancellation }) => isInForce(cancellation)),
    onNews(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    noteEnded(taskId, ended) {
      // An id that was never looked up has no hash yet, and making one costs half a microsecond.
      if (book.byId.size === 0 || !book.byId.has(taskId)) return undefined;
      return noteEnding(broker, book, { taskId, ended }).catch((cause: unknown) =>
        observer.note(`Cannot note in the cancellation of ${taskId} that it ended ${ended}`, { cause }),
      );
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      following[Symbol.dispose]();
    },
  };
}
