import { TASKS } from "../streams/streams.ts";
import { isLiteralSubject } from "../format/subject.ts";
import { putAway } from "./put_away.ts";
import { rawAddress } from "./unwanted.ts";
import { deleteStored, type Stored } from "../broker/stored_messages.ts";
import type { SweepContext } from "./sweep_context.ts";
import { problemOfSubject } from "./sweep_verdict.ts";
import { walkStream } from "../broker/walk_stream.ts";

/** Messages, and bytes of them, that one pass looks at; about a second's work. */
const LIMITS = { maxMessages: 20_000, maxBytes: 32 * 1024 * 1024 };
/** The next pass comes so soon where this one has not seen all, ms. */
const MORE_MS = 250;

/** What the listing of TASKS said. */
export interface Listing {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Whether a subject was among those listed that is a pattern. */
  readonly some: boolean;
}

/**
 * Puts away what lies in TASKS on a subject that is a pattern, such as a literal `tasks.>`.
 *
 * To ask for such a message by its subject means to ask for everybody's. So the stream is walked by sequence, and each message's
 * subject is looked at. The walk begins where the listing last had no such subject, so in the usual case it is short.
 */
export interface PatternSweep {
  /** Returns when the next pass is wanted, ms. Throws where the broker is silent. */
  pass(listing: Listing): Promise<number>;
}

export function createPatternSweep({ broker, worker, report }: SweepContext): PatternSweep {
  /** At this sequence and below lies none, as far as is known. */
  let cleanTo = 0;

  async function end(stored: Stored): Promise<void> {
    const { subject } = stored;
    // A marker is nobody's work.
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
      // The stream was declared anew, or a listing in several pages has missed one.
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
