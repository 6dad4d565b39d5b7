import type { Broker } from "../broker/broker.ts";
import { sequenceSince } from "../broker/count_since.ts";
import { newestStored } from "../broker/newest_stored.ts";
import type { Stored } from "../broker/stored_messages.ts";
import { DEAD } from "../streams/streams.ts";
import { type DeadFilter, filterSubject, readLetter, type StoredDeadLetter } from "./dead_letters.ts";

/** Which letters a page is about. A field that is left out selects all. */
export interface DeadPageFilter extends DeadFilter {
  /** Only letters below this sequence, as the page before it told. */
  readonly before?: number | undefined;
  /** Greatest number of letters. */
  readonly limit: number;
}

/** A part of the dead letters, newest first. */
export interface DeadPage {
  readonly letters: readonly StoredDeadLetter[];
  /** Where the next page begins, as `before`; undefined: nothing older is left. */
  readonly next: number | undefined;
}

function letterIn({ subject, seq, data, header }: Stored): StoredDeadLetter {
  return readLetter({ subject, seq, data, headers: header });
}

/**
 * The matching dead letters, newest first, a page at a time. A task that died twice stands there twice. A page looks at some thousand letters at
 * most, so it may be short and still have a next one. Throws when the broker does not answer.
 */
export async function pageOfDeadLetters(broker: Pick<Broker, "jsm">, filter: DeadPageFilter): Promise<DeadPage> {
  const { taskId, diedAfter, diedBefore, before = Number.MAX_SAFE_INTEGER, limit } = filter;
  const reason = filter.reason?.toLowerCase() ?? "";
  const sequenceAt = async (time: Date | undefined) =>
    time === undefined ? undefined : await sequenceSince(broker, { stream: DEAD, since: time });
  const [from, end = before] = await Promise.all([sequenceAt(diedAfter), sequenceAt(diedBefore)]);
  const { messages, next } = await newestStored(broker.jsm, {
    ...{ stream: DEAD, filter: filterSubject(filter), from, before: Math.min(before, end), limit },
    accept(stored) {
      if (taskId === undefined && reason === "") return true;
      const letter = letterIn(stored);
      return (taskId === undefined || letter.taskId === taskId) && letter.reason.toLowerCase().includes(reason);
    },
  });
  return { letters: messages.map(letterIn), next };
}
