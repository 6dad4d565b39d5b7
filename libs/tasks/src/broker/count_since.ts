// Tested by tests/src/worker/operate_test.ts
// Tested by libs/tasks/src/dead/dead_page_test.ts
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
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

/** A consumer that begins at a time, as the server tells of it. Nothing is read, and it is deleted at once. */
async function consumerAt({ jsm }: Pick<Broker, "jsm">, { stream, subjects, since }: Since): Promise<ConsumerInfo> {
  const consumer = await jsm.consumers.add(stream, {
    description: `Muster: counts what was stored since ${since.toISOString()}; lapses by itself`,
    filter_subjects: [...subjects],
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    headers_only: true,
    inactive_threshold: nanos(INACTIVE_MS),
  });
  // Where it cannot be deleted it lapses by itself.
  await jsm.consumers.delete(stream, consumer.name).catch(() => undefined);
  return consumer;
}

/**
 * Counts the messages on `subjects` that were stored at `since` or later. No message is read: the server counts them for a consumer that is
 * deleted at once. Throws when nobody answers.
 */
export async function countSince(broker: Pick<Broker, "jsm">, since: Since): Promise<number> {
  return (await consumerAt(broker, since)).num_pending;
}

/** The lowest sequence of `stream` whose message was stored at `since` or later. No message is read. Throws when nobody answers. */
export async function sequenceSince(
  broker: Pick<Broker, "jsm">,
  { stream, since }: Omit<Since, "subjects">,
): Promise<number> {
  const { delivered } = await consumerAt(broker, { stream, subjects: [">"], since });
  return delivered.stream_seq + 1;
}
