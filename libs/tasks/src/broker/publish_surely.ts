import type { PubAck } from "@nats-io/jetstream";
import { type MsgHdrs, NoRespondersError, RequestError, TimeoutError } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import { MSG_ID, TASK_ID } from "../format/headers.ts";
import type { Broker } from "./broker.ts";

/** Longest time in which one message is tried under one id, ms. After that its fate is unknown. */
export const PUBLISH_BUDGET_MS = 20_000;
const PAUSE_MS = 250;
/** Longest wait for a look at all streams between two tries, ms. On a cluster another stream may be without a leader for longer. */
const LOOK_MS = 1_000;

/** A message as it goes to the broker. */
export interface OutgoingMessage {
  readonly subject: string;
  readonly body: Uint8Array | string;
  readonly headers: MsgHdrs;
}

/** The broker did not answer, so the message may be stored or not. Publishing it again under the same id is safe at any time. */
export class PublishUnknownError extends Error {
  override readonly name = "PublishUnknownError";
  readonly subject: string;
  readonly id: string;
  constructor({ subject, id, problems }: { subject: string; id: string; problems: readonly string[] }, cause: unknown) {
    const known = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
    super(
      `Cannot tell whether ${id} was stored on ${subject}: no answer in ${PUBLISH_BUDGET_MS / 1000} s${known}; publish it again under the same id`,
      {
        cause,
      },
    );
    this.subject = subject;
    this.id = id;
  }
}

/** Whether the broker did not answer. The message may then be stored or not. */
export function isSilence(error: unknown): boolean {
  return (
    error instanceof TimeoutError ||
    error instanceof NoRespondersError ||
    error instanceof RequestError ||
    // Name of the client's error for "no responders". The client does not export its class.
    (error instanceof Error && error.name === "JetStreamNotEnabled")
  );
}

/** What an operator is told where the broker did not answer, since the client says only "timeout"; undefined: the error is another one. */
export function plainSilence(error: unknown): string | undefined {
  if (!isSilence(error)) return undefined;
  const found = error instanceof TimeoutError ? "it gave no answer in time" : "nobody there takes such requests now";
  return `Cannot reach JetStream: ${found}; look whether nats-server runs, has JetStream and a leader, and let this login ask: muster doctor`;
}

/**
 * Publishes until JetStream has answered, with the same bytes and headers each time, for at most 20 s.
 *
 * The headers must carry an id or an expectation that makes a repeat harmless. Declares streams that are gone. Throws what JetStream
 * refuses, and {@linkcode PublishUnknownError} when it stays silent.
 */
export async function publishSurely(broker: Broker, { subject, body, headers }: OutgoingMessage): Promise<PubAck> {
  const until = performance.now() + PUBLISH_BUDGET_MS;
  for (;;) {
    try {
      return await broker.requests.store({ subject, body, headers });
    } catch (error) {
      if (!isSilence(error)) throw error;
      if (broker.nc.isClosed() || performance.now() > until) {
        const problems = broker.storage.problems();
        throw new PublishUnknownError({ subject, id: headers.get(TASK_ID) || headers.get(MSG_ID), problems }, error);
      }
      await pause(PAUSE_MS);
      // "No responders" also means a change of leader. Only the stream's own info says that it is gone.
      const looked = broker
        .declareMissing()
        .catch((cause: unknown) => broker.observer.note("Cannot look for missing streams yet", { cause }));
      await Promise.race([looked, pause(LOOK_MS, undefined, { ref: false })]);
    }
  }
}
