// Tested by tests/src/worker/operate_test.ts
// Tested by libs/tasks/src/dead/dead_page_test.ts
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
import { type MsgHdrs, nanos } from "@nats-io/nats-core";
import type { Broker } from "./broker.ts";
import { namedReader, openReader } from "./stream_reader.ts";

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
    ...namedReader(`counts messages since ${since.toISOString()}`),
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

/** Messages that were stored since a time. */
export interface HeadersSince {
  /** How many there are. */
  readonly messages: number;
  /** The headers of the first ones; undefined: a message has none, or they cannot be read. */
  readonly headers: readonly (MsgHdrs | undefined)[];
}

/**
 * Counts the messages on `subjects` that were stored at `since` or later, and reads the headers of the first `most`. No body is read. Throws
 * when nobody answers.
 */
export async function headersSince(
  broker: Pick<Broker, "nc" | "jsm">,
  since: Since,
  most: number,
): Promise<HeadersSince> {
  const { stream, subjects: filter, since: from } = since;
  await using reader = await openReader(broker, { stream, filter, from, content: "headers", what: "events" });
  const { pending: messages } = reader;
  const headers: (MsgHdrs | undefined)[] = [];
  await reader.read((message) => {
    headers.push(message.headers);
    return "more";
  }, most);
  return { messages, headers };
}

/** The lowest sequence of `stream` whose message was stored at `since` or later. No message is read. Throws when nobody answers. */
export async function sequenceSince(
  broker: Pick<Broker, "jsm">,
  { stream, since }: Omit<Since, "subjects">,
): Promise<number> {
  const { delivered } = await consumerAt(broker, { stream, subjects: [">"], since });
  return delivered.stream_seq + 1;
}
