// Tested by tests/src/worker/operate_test.ts
// Tested by libs/tasks/src/dead/dead_page_test.ts
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
import { type MsgHdrs, nanos } from "@nats-io/nats-core";
import { readHeaders } from "../format/headers.ts";
import type { Broker } from "./broker.ts";
import { fetchPage } from "./fetch_page.ts";

/** Time after which the server removes a consumer that was made for a count, ms. */
const INACTIVE_MS = 5_000;
/** Longest wait for headers that the stream has dropped meanwhile, and longest standstill of this process while it reads, ms. */
const READ_MS = 5_000;

/** Which messages are counted. */
export interface Since {
  readonly stream: string;
  /** Filters that Muster makes, or subjects that mean only themselves. */
  readonly subjects: readonly string[];
  readonly since: Date;
}

/** Makes a consumer that begins at a time, as the server tells of it. */
async function makeConsumer({ jsm }: Pick<Broker, "jsm">, { stream, subjects, since }: Since): Promise<ConsumerInfo> {
  return await jsm.consumers.add(stream, {
    description: `Muster: counts what was stored since ${since.toISOString()}; lapses by itself`,
    filter_subjects: [...subjects],
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    headers_only: true,
    inactive_threshold: nanos(INACTIVE_MS),
  });
}

/** Deletes such a consumer. Where it cannot be deleted it lapses by itself. */
async function drop({ jsm }: Pick<Broker, "jsm">, { stream_name, name }: ConsumerInfo): Promise<void> {
  await jsm.consumers.delete(stream_name, name).catch(() => undefined);
}

/** A consumer that begins at a time. Nothing is read, and it is deleted at once. */
async function consumerAt(broker: Pick<Broker, "jsm">, since: Since): Promise<ConsumerInfo> {
  const consumer = await makeConsumer(broker, since);
  await drop(broker, consumer);
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
  broker: Pick<Broker, "js" | "jsm">,
  since: Since,
  most: number,
): Promise<HeadersSince> {
  const made = await makeConsumer(broker, since);
  const { num_pending: messages } = made;
  const headers: (MsgHdrs | undefined)[] = [];
  try {
    if (messages === 0) return { messages, headers };
    const page = { max_messages: Math.min(most, messages), expires: READ_MS };
    for await (const message of fetchPage(broker.js.consumers.getConsumerFromInfo(made), page)) {
      headers.push(readHeaders(message).headers);
      if (message.info.pending === 0) break;
    }
    return { messages, headers };
  } finally {
    await drop(broker, made);
  }
}

/** The lowest sequence of `stream` whose message was stored at `since` or later. No message is read. Throws when nobody answers. */
export async function sequenceSince(
  broker: Pick<Broker, "jsm">,
  { stream, since }: Omit<Since, "subjects">,
): Promise<number> {
  const { delivered } = await consumerAt(broker, { stream, subjects: [">"], since });
  return delivered.stream_seq + 1;
}
