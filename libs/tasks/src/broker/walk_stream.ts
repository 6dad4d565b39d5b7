import type { JetStreamManager } from "@nats-io/jetstream";
import { nextMatching, type Stored } from "./stored_messages.ts";

/** Number of sequences that one lane looks through before it takes the next ones. */
const STRETCH = 200;
const LANES = 16;

/** Which messages are looked at. */
export interface Walk {
  readonly stream: string;
  /** A filter that Muster makes. */
  readonly filter: string;
  /** First and last sequence of the walk. */
  readonly first: number;
  readonly last: number;
  /** The walk ends soon after this many messages, or bytes of them. */
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/**
 * Looks at a stream's messages by sequence, several at a time, so in no fixed order.
 *
 * Returns the sequence up to which all were seen: `last` or more, or the place where the next walk begins.
 *
 * It is for questions that no listing and no look-up by subject can answer. Throws the errors of `visit`, and throws when the broker is
 * silent.
 */
export async function walkStream(
  jsm: JetStreamManager,
  { stream, filter, first, last, maxMessages, maxBytes }: Walk,
  visit: (stored: Stored) => Promise<void> | void,
): Promise<number> {
  let next = first;
  let messages = 0;
  let bytes = 0;
  async function lane(): Promise<void> {
    while (next <= last && messages < maxMessages && bytes < maxBytes) {
      let from = next;
      const until = Math.min(last, from + STRETCH - 1);
      next = until + 1;
      while (from <= until) {
        const stored = await nextMatching(jsm, stream, { from, filter });
        const found = stored?.seq ?? last + 1;
        // The skipped sequences hold no match. They may reach into the next stretches.
        if (found > until) next = Math.max(next, found);
        if (stored === null || found > until) break;
        messages++;
        bytes += stored.data.length;
        await visit(stored);
        from = found + 1;
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: LANES }, lane));
  const refused = ended.find((one) => one.status === "rejected");
  if (refused !== undefined) throw refused.reason;
  return next - 1;
}
