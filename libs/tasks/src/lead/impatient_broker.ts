import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";

/** Longest wait for one answer, ms. */
const ANSWER_MS = 2_000;

/**
 * The same broker, asked with little patience.
 *
 * The client loses what is sent while it reconnects and waits all the same, so a longer wait would hold up all schedules by that
 * much once NATS is back. No answer is no loss here: markers are read again.
 */
export async function impatient(broker: Broker): Promise<Broker> {
  const { nc } = broker;
  const jsm = await jetstreamManager(nc, { timeout: ANSWER_MS, checkAPI: false });
  return { ...broker, js: jetstream(nc, { timeout: ANSWER_MS }), jsm };
}
