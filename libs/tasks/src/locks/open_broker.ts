import type { NatsConnection } from "@nats-io/nats-core";
import { type Broker, openBareBroker } from "../broker/broker.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { raiseLocks } from "./raise.ts";

export interface BrokerOptions {
  readonly observer?: Observer;
  /** Copies of each stream and bucket, default 1. */
  readonly replicas?: number;
  /** The highest fencing token in the database. Give it wherever a database is at hand: a new lock bucket begins above it. */
  readonly highestFence?: () => Promise<number>;
}

/**
 * Declares the streams and buckets where they are missing, and raises the lock bucket's revisions when it is new.
 *
 * The connection stays the caller's. Throws `JetStreamOffError`, and what JetStream reports.
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
