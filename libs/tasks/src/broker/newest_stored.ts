// Tested by libs/tasks/src/broker/newest_stored_test.ts
import type { Broker } from "./broker.ts";
import { openReader, type ReaderOptions, type ReadMessage } from "./stream_reader.ts";

/** Smallest and largest number of sequences that are looked through at once. */
const SMALLEST = 256;
const LARGEST = 1_000_000;
/** Factor by which the next stretch grows where one held too little. */
const FACTOR = 8;
/** Greatest number of messages that are looked at for one page: a second's work. */
const LOOKED_AT = 250_000;
/** Greatest number of stretches for one page. */
const STRETCHES = 40;

/** Which messages a page is about. */
export interface PageRequest extends Pick<ReaderOptions, "stream" | "filter" | "content" | "what"> {
  /** Only messages below this sequence, which is where the page before it ended. Default: all. */
  readonly before?: number | undefined;
  /** Only messages at this sequence or above. Default: all. */
  readonly from?: number | undefined;
  /** Greatest number of messages in the page. */
  readonly limit: number;
  /** Greatest number of messages that are looked at; default 250,000. A stretch is looked at whole, however many of them it has at least. */
  readonly lookedAt?: number;
  /** Whether a message belongs to the page. Default: each does. */
  accept?(message: ReadMessage): boolean;
}

/** A part of a stream, newest first. */
export interface NewestPage {
  readonly messages: readonly ReadMessage[];
  /** Where the next page begins, as `before`; undefined: nothing older is left. The page may have fewer messages than its limit. */
  readonly next: number | undefined;
}

/** A part of a stream that is looked at from its oldest message on. */
interface Stretch {
  /** Its first sequence, and the one behind its last. */
  readonly begin: number;
  readonly end: number;
  /** Greatest number of accepted messages that are kept: the newest ones. */
  readonly keep: number;
}

/**
 * Reads the newest matching messages of a stream, page by page. What a page costs does not depend on the length of the stream. For few of very many,
 * 250,000 messages at most are looked at.
 *
 * A stream is read forwards only. So it is read in stretches from its end on, each larger than the one before. How many messages a stretch has is known
 * before they are read. Throws when the broker is silent.
 */
export async function newestStored(
  broker: Pick<Broker, "nc" | "jsm">,
  { before, from = 0, limit, lookedAt = LOOKED_AT, accept = () => true, ...source }: PageRequest,
): Promise<NewestPage> {
  const { first_seq, last_seq: last } = (await broker.jsm.streams.info(source.stream)).state;
  const first = Math.max(first_seq, from);
  const found: ReadMessage[] = [];
  let end = Math.min(last + 1, before ?? last + 1);
  let size = Math.max(SMALLEST, 2 * limit);
  let left = lookedAt;
  /** Number of messages at `end` or above, as it was found there; undefined: not known. */
  let above: number | undefined;

  /** Looks at one stretch. Returns the number of its messages, and undefined where it has too many to be looked at now. */
  async function look({ begin, end: upTo, keep }: Stretch): Promise<number | undefined> {
    await using reader = await openReader(broker, { ...source, from: begin });
    const count = above === undefined ? Math.min(reader.pending, upTo - begin) : reader.pending - above;
    if (count > left && upTo - begin > SMALLEST) return undefined;
    const kept: ReadMessage[] = [];
    let seen = 0;
    if (count > 0) {
      await reader.read((message) => {
        if (message.seq >= upTo) return "enough";
        seen++;
        if (accept(message)) kept.push(message);
        if (kept.length > 2 * keep) kept.splice(0, kept.length - keep);
        return message.seq === upTo - 1 ? "enough" : "more";
      });
    }
    found.push(...kept.slice(-keep).reverse());
    above = reader.pending;
    return seen;
  }

  for (let tries = 0; tries < STRETCHES && end > first && left > 0; tries++) {
    const begin = Math.max(first, end - size);
    const looked = await look({ begin, end, keep: limit - found.length });
    if (looked === undefined) {
      size = Math.max(SMALLEST, Math.floor(size / FACTOR));
      continue;
    }
    left -= looked;
    if (found.length === limit) {
      const oldest = found.at(-1)?.seq ?? first;
      return { messages: found, next: oldest > first ? oldest : undefined };
    }
    end = begin;
    size = Math.min(LARGEST, size * FACTOR);
  }
  return { messages: found, next: end > first ? end : undefined };
}
