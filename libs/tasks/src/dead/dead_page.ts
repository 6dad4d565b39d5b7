import type { Broker } from "../broker/broker.ts";
import { sequenceSince } from "../broker/count_since.ts";
import { newestStored } from "../broker/newest_stored.ts";
import { DEAD } from "../streams/streams.ts";
import { type DeadFilter, filterSubject, matcherOf, readLetter, type StoredDeadLetter } from "./dead_letters.ts";

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

/**
 * The matching dead letters, newest first, a page at a time, without their bodies. A task that died twice stands there twice. A page looks at 250,000
 * letters at most, so it may be short and still have a next one. Throws when the broker does not answer.
 */
export async function pageOfDeadLetters(broker: Pick<Broker, "nc" | "jsm">, filter: DeadPageFilter): Promise<DeadPage> {
  const { taskId, reason, diedAfter, diedBefore, before = Number.MAX_SAFE_INTEGER, limit } = filter;
  const sequenceAt = async (time: Date | undefined) =>
    time === undefined ? undefined : await sequenceSince(broker, { stream: DEAD, since: time });
  const [from, end = before] = await Promise.all([sequenceAt(diedAfter), sequenceAt(diedBefore)]);
  const { messages, next } = await newestStored(broker, {
    ...{ stream: DEAD, filter: filterSubject(filter), content: "headers", what: "dead letters" },
    ...{ from, before: Math.min(before, end), limit },
    accept: matcherOf({ taskId, reason }),
  });
  return { letters: messages.map(readLetter), next };
}
