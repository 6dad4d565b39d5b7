import type { NatsConnection } from "@nats-io/nats-core";
import { type Broker, openBareBroker } from "../broker/broker.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { raiseLocks } from "./raise.ts";

/** How streams and buckets are declared, and who hears of them. */
export interface BrokerOptions {
  readonly observer?: Observer;
  /** Number of copies of each stream and bucket, default 1. */
  readonly replicas?: number;
  /** Returns the highest fencing token in the database. Give it wherever there is a database: a new lock bucket begins above it. */
  readonly highestFence?: () => Promise<number>;
}

/**
 * Declares the streams and buckets where they are missing, and raises the lock bucket's revisions when it is new.
 *
 * The caller still closes the connection. Throws `JetStreamOffError`, and JetStream's errors.
 */
export function openBroker(
  nc: NatsConnection,
  { highestFence, observer = silentObserver, replicas = 1 }: BrokerOptions = {},
): Promise<Broker> {
  return openBareBroker(nc, {
    observer,
    replicas,
    async raiseLocks({ jsm }) {
      await raiseLocks({ jsm, observer, highestFence });
    },
  });
}
