// Tested by tests/src/worker/operate_test.ts
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import type { Broker } from "./broker.ts";

/** Time after which the server removes a consumer that was made for a count, ms. */
const INACTIVE_MS = 5_000;

/** Which messages are counted. */
export interface Since {
  readonly stream: string;
  /** Filters that Muster makes, or subjects that mean only themselves. */
  readonly subjects: readonly string[];
  readonly since: Date;
}

/**
 * Counts the messages on `subjects` that were stored at `since` or later. No message is read: the server counts them for a consumer that is
 * deleted at once. Throws when nobody answers.
 */
export async function countSince({ jsm }: Pick<Broker, "jsm">, { stream, subjects, since }: Since): Promise<number> {
  const { name, num_pending: count } = await jsm.consumers.add(stream, {
    filter_subjects: [...subjects],
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    headers_only: true,
    inactive_threshold: nanos(INACTIVE_MS),
  });
  // Where it cannot be deleted it lapses by itself.
  await jsm.consumers.delete(stream, name).catch(() => undefined);
  return count;
}
