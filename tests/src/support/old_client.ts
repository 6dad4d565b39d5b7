import { connect, headers as newHeaders, type JetStreamClient, type NatsConnection } from "nats";
import { PATIENCE_MS } from "./until.ts";

export interface RawMessage {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A publisher that is not ours: it uses the older `nats` package, and no library of Muster's. */
export interface OldClient extends AsyncDisposable {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  /** Publishes and waits until JetStream has stored the message. Returns its sequence. Throws the errors of JetStream. */
  publish(subject: string, message?: RawMessage): Promise<number>;
}

/** Connects with version 2 of the `nats` package. */
export async function openOldClient(url: string): Promise<OldClient> {
  const nc = await connect({ servers: url, timeout: PATIENCE_MS });
  const js = nc.jetstream({ timeout: PATIENCE_MS });
  return {
    nc,
    js,
    async publish(subject, { headers: given = {}, body = "" } = {}) {
      const headers = newHeaders();
      for (const [key, value] of Object.entries(given)) headers.append(key, value);
      const data = typeof body === "string" ? new TextEncoder().encode(body) : body;
      const { seq } = await js.publish(subject, data, { headers });
      return seq;
    },
    [Symbol.asyncDispose]: () => nc.close(),
  };
}
