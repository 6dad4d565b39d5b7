import type { NatsConnection } from "@nats-io/nats-core";
import { openJetStream } from "../connection/jetstream_off.ts";
import type { Difference } from "./settings_check.ts";
import { maxPayloadOf, neededStreams } from "./stream_needs.ts";
import { inspectSettings, isStreamGone } from "./streams.ts";

/** A stream, or the stream of a bucket, as an operator sees it. */
export interface StreamState {
  readonly name: string;
  /** Later than the others': the stream was deleted and declared again. Undefined: there is none. */
  readonly createdAt: Date | undefined;
  readonly messages: number;
  readonly bytes: number;
  /** Settings that Muster needs otherwise. */
  readonly differences: readonly Difference[];
}

/** Looks at all streams that Muster needs, and declares none. Throws when nobody answers. */
export async function inspectStreams(nc: NatsConnection): Promise<readonly StreamState[]> {
  const jsm = await openJetStream(nc);
  return await Promise.all(
    neededStreams({ maxPayload: maxPayloadOf(nc) }).map(async (need): Promise<StreamState> => {
      const { name } = need;
      try {
        const { created, state, config } = await jsm.streams.info(name);
        const differences = inspectSettings(need, config);
        return { name, createdAt: new Date(created), messages: state.messages, bytes: state.bytes, differences };
      } catch (error) {
        if (!isStreamGone(error)) throw error;
        return { name, createdAt: undefined, messages: 0, bytes: 0, differences: [] };
      }
    }),
  );
}
