// Tested by tests/src/cli/nats_cli_test.ts
import { headers as newHeaders, NoRespondersError } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";

/** A message as any NATS client may publish it. Nothing of it is checked here. */
export interface RawMessage {
  readonly subject: string;
  readonly body: string;
  /** In their order; a name may come several times. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** Where a message was stored. */
export interface StoredRaw {
  readonly stream: string;
  readonly sequence: number;
  /** Whether the stream had a message of this `Nats-Msg-Id` already, so that nothing was stored. */
  readonly duplicate: boolean;
}

/** No stream has this subject, so the message was stored nowhere. */
export class NoStreamError extends Error {
  override readonly name = "NoStreamError";
  readonly subject: string;
  constructor(subject: string, cause: unknown) {
    super(
      `Cannot store on ${subject}: no stream has this subject; a task goes to tasks.<TaskName>.<vo>, or to tasks.<TaskName>._ without a VO`,
      { cause },
    );
    this.subject = subject;
  }
}

/**
 * Stores a message as `nats pub -J` does. Nothing is checked: what is no task becomes a dead letter with the reason.
 *
 * Throws {@linkcode NoStreamError}, `ForbiddenError`, and what JetStream says where it refuses the message.
 */
export async function storeRaw(broker: Broker, { subject, body, headers = [] }: RawMessage): Promise<StoredRaw> {
  const hdrs = newHeaders();
  for (const [name, value] of headers) hdrs.append(name, value);
  try {
    const { stream, seq, duplicate } = await broker.requests.store({ subject, body, headers: hdrs });
    return { stream, sequence: seq, duplicate };
  } catch (error) {
    throw error instanceof NoRespondersError ? new NoStreamError(subject, error) : error;
  }
}
