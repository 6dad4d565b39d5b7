import type { MsgHdrs } from "@nats-io/nats-core";
import { EVENT_COUNT, headerOf, headersFrom } from "./headers.ts";

/** Greatest number of events in one message. */
export const MOST_EVENTS = 16;

/** The headers of a message that tells several events, by their number. Nobody changes them. */
const HEADERS: readonly MsgHdrs[] = Array.from({ length: MOST_EVENTS + 1 }, (_, count) =>
  headersFrom({ [EVENT_COUNT]: String(count) }),
);

/** The headers of a message of `count` events, each a line; undefined: it needs none, or has more lines than are allowed. */
export function eventHeaders(count: number): MsgHdrs | undefined {
  return count === 1 ? undefined : HEADERS[count];
}

/** The events in the body of a message on `events.>`, each JSON in a line of its own. Anybody may have written them. */
export function eventLines(body: string): readonly string[] {
  // Most messages have one line.
  return body.includes("\n") ? body.split("\n").filter((line) => line !== "") : [body];
}

/** The number of events in a message on `events.>`, by its headers. One that nobody of ours has written counts as one. */
export function eventCount(headers: MsgHdrs | undefined): number {
  const count = Number(headerOf(headers, EVENT_COUNT));
  return Number.isInteger(count) && count > 0 && count <= MOST_EVENTS ? count : 1;
}
