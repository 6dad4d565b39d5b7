import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../wire/broker.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../wire/headers.ts";
import { isConflict } from "../wire/streams.ts";
import { escapeToken } from "../wire/token.ts";

/** Runs that a redelivered task may begin without an end before it is called poison. */
export const MAX_UNENDED_STARTS = 5;
/** A count that nobody removes goes by itself. */
const COUNT_TTL = "24h";

function keyOf(taskId: string): string {
  return `starts.${escapeToken(taskId)}`;
}

/** The runs of redelivered tasks that began and did not end, counted in the bucket `results`: the server's own delivery count includes hand-backs. */
export interface StartCounts {
  /** Adds one, or answers `poison` when the task has had its five. */
  begin(taskId: string): Promise<"begun" | "poison">;
  /** Takes one off again: the run was handed back in good order. */
  handedBack(taskId: string): Promise<void>;
  /** The task is settled. */
  settled(taskId: string): Promise<void>;
}

/** Counts over `broker`. Each call throws when nobody answers. */
export function startCounts(broker: Broker): StartCounts {
  const { results } = broker.buckets;

  async function change(taskId: string, next: (count: number) => number | undefined): Promise<number | undefined> {
    for (;;) {
      const entry = await results.get(keyOf(taskId));
      const count = entry !== null && entry.operation === "PUT" ? entry.json<{ count: number }>().count : 0;
      const wanted = next(count);
      if (wanted === undefined) return undefined;
      const headers = newHeaders();
      headers.set(MESSAGE_TTL, COUNT_TTL);
      headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(entry?.revision ?? 0));
      try {
        await broker.js.publish(`$KV.results.${keyOf(taskId)}`, JSON.stringify({ count: wanted }), { headers });
        return wanted;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  }

  return {
    async begin(taskId) {
      const count = await change(taskId, (now) => (now >= MAX_UNENDED_STARTS ? undefined : now + 1));
      return count === undefined ? "poison" : "begun";
    },
    async handedBack(taskId) {
      await change(taskId, (now) => (now <= 0 ? undefined : now - 1));
    },
    async settled(taskId) {
      // The mark stays as long as the count would have: over a kill the server (2.15.2) forgets a purge whose mark has expired.
      await results.purge(keyOf(taskId), { ttl: COUNT_TTL });
    },
  };
}
