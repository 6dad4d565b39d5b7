// Tested by libs/tasks/src/follow/recent_events_test.ts
import type { Broker } from "../broker/broker.ts";
import { openReader } from "../broker/stream_reader.ts";
import { sequenceSince } from "../broker/count_since.ts";
import { EVENTS } from "../streams/streams.ts";

/** Which events are read. */
export interface RecentEventsOptions {
  readonly since: Date;
  /** Greatest number of messages, of which one may tell several events. Where there are more, the newest are read. */
  readonly limit: number;
  /** About the greatest size of what is read, bytes. The same holds. */
  readonly limitBytes: number;
}

/** A message on `events.>`, as the stream keeps it. Anybody may have written it. */
export interface RecentMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** When it was stored, ms since the epoch. */
  readonly atMs: number;
}

/** Messages that were stored in `EVENTS` until a moment ago. */
export interface RecentEvents {
  /** Reads them, oldest first, up to the last one that was stored when this was made. Throws when the broker is silent. */
  read(hear: (message: RecentMessage) => void): Promise<{
    /** From this time on none is missing. */
    readonly completeSince: Date;
  }>;
}

/** Finds the newest messages in `EVENTS`, to be read once. Throws when the broker does not answer. */
export async function recentEvents(
  broker: Pick<Broker, "nc" | "jsm">,
  { since, limit, limitBytes }: RecentEventsOptions,
): Promise<RecentEvents> {
  const [{ state }, first] = await Promise.all([
    broker.jsm.streams.info(EVENTS),
    sequenceSince(broker, { stream: EVENTS, since }),
  ]);
  const last = state.last_seq;
  const fitting = state.bytes === 0 ? limit : Math.ceil((limitBytes * state.messages) / state.bytes);
  const begin = Math.max(first, state.first_seq, last - Math.min(limit, fitting) + 1);
  // What is older than the oldest one in the stream was dropped, or never was.
  const oldestAt = new Date(state.messages === 0 ? Date.now() : state.first_ts);
  return {
    async read(hear) {
      const known = oldestAt > since ? oldestAt : since;
      if (begin > last) return { completeSince: known };
      await using reader = await openReader(broker, {
        ...{ stream: EVENTS, filter: "events.>", what: "events", content: "whole", from: begin },
      });
      let oldestMs: number | undefined;
      await reader.read(({ seq, subject, data, storedAtMs: atMs }) => {
        if (seq > last) return "enough";
        oldestMs ??= atMs;
        hear({ subject, data, atMs });
        return seq === last ? "enough" : "more";
      });
      return { completeSince: begin > first ? new Date(oldestMs ?? Date.now()) : known };
    },
  };
}
