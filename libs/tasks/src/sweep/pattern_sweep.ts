import { TASKS } from "../streams/streams.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { putAway } from "./put_away.ts";
import { rawAddress } from "./unwanted.ts";
import { deleteStored, type Stored } from "../broker/stored_messages.ts";
import type { SweepContext } from "./sweep_context.ts";
import { problemOfSubject } from "./sweep_verdict.ts";
import { walkStream } from "../broker/walk_stream.ts";

/** Greatest number of messages in one pass, and of their bytes; about a second's work. */
const LIMITS = { maxMessages: 20_000, maxBytes: 32 * 1024 * 1024 };
/** Delay of the next pass where this one has not seen everything, ms. */
const MORE_MS = 250;

/** What the listing of TASKS said. */
export interface Listing {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Whether a listed subject is a pattern. */
  readonly some: boolean;
}

/**
 * Puts away messages in TASKS whose subject is a pattern, such as a literal `tasks.>`.
 *
 * Asking for such a message by its subject would mean everybody's messages. So the stream is walked by sequence, and each subject is looked
 * at. The walk begins where the listing last had no such subject, so it is usually short.
 */
export interface PatternSweep {
  /** Returns the delay of the next pass, ms. Throws where the broker is silent. */
  pass(listing: Listing): Promise<number>;
}

export function createPatternSweep({ broker, worker, report }: SweepContext): PatternSweep {
  /** No message up to this sequence has a pattern as its subject, as far as we know. */
  let cleanTo = 0;

  async function end(stored: Stored): Promise<void> {
    const { subject } = stored;
    // A marker is no task.
    if (subject.startsWith("markers.")) return await deleteStored(broker, TASKS, stored.seq);
    const reason =
      problemOfSubject(subject) ?? `Cannot run a task on subject ${JSON.stringify(subject)}: it is a pattern`;
    await putAway(broker, worker, { stream: TASKS, stored, end: "dead", reason, ...rawAddress(subject) });
    report.note(`swept ${subject}`, `A message on ${subject} became a dead letter: ${reason}`, { subject });
  }

  return {
    async pass({ firstSequence, lastSequence, some }) {
      if (!some) {
        cleanTo = lastSequence;
        return Number.POSITIVE_INFINITY;
      }
      // The stream was declared anew, or a listing of several pages has missed a message.
      if (cleanTo >= lastSequence) cleanTo = 0;
      const first = Math.max(cleanTo + 1, firstSequence);
      const walk = { stream: TASKS, filter: ">", first, last: lastSequence, ...LIMITS };
      const seenTo = await walkStream(broker.jsm, walk, async (stored) => {
        if (!isLiteralSubject(stored.subject)) await end(stored);
      });
      cleanTo = Math.min(seenTo, lastSequence);
      return cleanTo < lastSequence ? MORE_MS : Number.POSITIVE_INFINITY;
    },
  };
}
