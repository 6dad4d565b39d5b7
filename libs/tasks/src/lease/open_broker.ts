import type { NatsConnection } from "@nats-io/nats-core";
import { type Broker, openBareBroker } from "../broker/broker.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { raiseLocks } from "./raise.ts";

/** How streams and buckets are declared, and who hears of them. */
export interface BrokerOptions {
  readonly observer?: Observer;
  /**
   * Least number of copies of each stream and bucket, 1 to 5. Default: 3 on a cluster that has the servers, otherwise 1. Copies that somebody
   * added are never taken away.
   */
  readonly replicas?: number;
  /**
   * What to do with streams and buckets that have fewer copies. `raised` (default) gives them more. `left` leaves that to others, for a program
   * that only looks.
   */
  readonly fewerCopies?: "raised" | "left";
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
  { highestFence, observer = silentObserver, ...copies }: BrokerOptions = {},
): Promise<Broker> {
  return openBareBroker(nc, {
    ...copies,
    observer,
    async raiseLocks({ jsm }) {
      await raiseLocks({ jsm, observer, highestFence });
    },
  });
}
