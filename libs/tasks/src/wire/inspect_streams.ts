import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { STREAM_NAMES } from "./broker.ts";
import { isStreamGone } from "./streams.ts";

/** A stream, or the one under a bucket, as an operator sees it. */
export interface StreamState {
  readonly name: string;
  /** Younger than the others: it had gone and was declared again. Undefined: there is none. */
  readonly createdAt: Date | undefined;
  readonly messages: number;
  readonly bytes: number;
}

/** Looks at all streams that there must be, and declares none. Throws when nobody answers. */
export async function inspectStreams(nc: NatsConnection): Promise<readonly StreamState[]> {
  const jsm = await jetstreamManager(nc);
  return await Promise.all(
    STREAM_NAMES.map(async (name): Promise<StreamState> => {
      try {
        const { created, state } = await jsm.streams.info(name);
        return { name, createdAt: new Date(created), messages: state.messages, bytes: state.bytes };
      } catch (error) {
        if (!isStreamGone(error)) throw error;
        return { name, createdAt: undefined, messages: 0, bytes: 0 };
      }
    }),
  );
}
