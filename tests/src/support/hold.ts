import { jetstream } from "@nats-io/jetstream";
import { headers as newHeaders, type NatsConnection } from "@nats-io/transport-node";
import { randomUUID } from "node:crypto";

/** A lock that a test holds. */
export interface Holder {
  /** Frees the lock as a worker does. */
  letGo(): Promise<void>;
}

/** Takes a free lock like another worker, only by the wire format. Holds it for `ttlMs` and does not renew it. */
export async function holdLock(nc: NatsConnection, key: string, ttlMs = 60_000): Promise<Holder> {
  const js = jetstream(nc);
  const subject = `$KV.locks.${key}`;
  const record = { holder: randomUUID(), worker: "a test", taskId: "a test's", since: new Date().toISOString() };
  const create = newHeaders();
  create.set("Nats-Expected-Last-Subject-Sequence", "0");
  create.set("Nats-TTL", `${ttlMs}ms`);
  const { seq } = await js.publish(subject, JSON.stringify(record), { headers: create });
  return {
    async letGo() {
      const purge = newHeaders();
      purge.set("KV-Operation", "PURGE");
      purge.set("Nats-Rollup", "sub");
      purge.set("Nats-TTL", "1s");
      purge.set("Nats-Expected-Last-Subject-Sequence", String(seq));
      await js.publish(subject, "", { headers: purge });
    },
  };
}
