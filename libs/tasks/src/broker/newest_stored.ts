// Tested by libs/tasks/src/broker/newest_stored_test.ts
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Stored } from "./stored_messages.ts";
import { walkStream } from "./walk_stream.ts";

/** Smallest and largest number of sequences that are looked through at once. */
const SMALLEST = 64;
const LARGEST = 1_000_000;
/** Factor by which the next stretch grows where one held no match, and shrinks where one held too many. */
const FACTOR = 8;
/** Greatest number of messages, and of their bytes, that are read for one page. */
const LOOKED_AT = 2_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Greatest number of stretches for one page. */
const STRETCHES = 40;

/** Which messages a page is about. */
export interface PageRequest {
  readonly stream: string;
  /** A filter that Muster makes. */
  readonly filter: string;
  /** Only messages below this sequence, which is where the page before it ended. Default: all. */
  readonly before?: number | undefined;
  /** Only messages at this sequence or above. Default: all. */
  readonly from?: number | undefined;
  /** Greatest number of messages in the page. */
  readonly limit: number;
  /** Whether a message belongs to the page. Default: each does. */
  accept?(stored: Stored): boolean;
}

/** A part of a stream, newest first. */
export interface NewestPage {
  readonly messages: readonly Stored[];
  /** Where the next page begins, as `before`; undefined: nothing older is left. The page may have fewer messages than its limit. */
  readonly next: number | undefined;
}

/**
 * Reads the newest matching messages of a stream, page by page. What a page costs does not depend on the length of the stream. At most some
 * 2,000 messages are read for it, and some thousands more where a crowd stands behind a long gap.
 *
 * Throws when the broker is silent.
 */
export async function newestStored(
  jsm: JetStreamManager,
  { stream, filter, before, from = 0, limit, accept = () => true }: PageRequest,
): Promise<NewestPage> {
  const { first_seq, last_seq: last } = (await jsm.streams.info(stream)).state;
  const first = Math.max(first_seq, from);
  const found: Stored[] = [];
  let end = Math.min(last + 1, before ?? last + 1);
  let size = Math.max(SMALLEST, 2 * limit);
  let left = LOOKED_AT;
  for (let tries = 0; tries < STRETCHES && end > first && left > 0; tries++) {
    const begin = Math.max(first, end - size);
    const stretch: Stored[] = [];
    const walk = { stream, filter, first: begin, last: end - 1, maxMessages: LOOKED_AT, maxBytes: MAX_BYTES };
    const seen = await walkStream(jsm, walk, (stored) => void stretch.push(stored));
    if (seen < end - 1 && size > 1) {
      // It holds more than may be read at once, and only its oldest were seen.
      size = Math.max(1, Math.floor(size / FACTOR));
      continue;
    }
    left -= stretch.length;
    const wanted = stretch.sort((a, b) => b.seq - a.seq).filter(accept);
    for (const stored of wanted) {
      found.push(stored);
      if (found.length === limit) return { messages: found, next: stored.seq > first ? stored.seq : undefined };
    }
    end = begin;
    // A long stretch that holds no match costs next to nothing, and one of messages that are not wanted costs each of them.
    if (wanted.length === 0) size = Math.min(stretch.length === 0 ? LARGEST : LOOKED_AT, size * FACTOR);
  }
  return { messages: found, next: end > first ? end : undefined };
}
