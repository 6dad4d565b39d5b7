import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers as newHeaders } from "@nats-io/transport-node";
import { randomUUID } from "node:crypto";

/** Largest number of messages that the server accepts in one batch. */
const BATCH = 1_000;
/** Number of batches that are under way at the same time. */
const IN_FLIGHT = 4;

/**
 * Stores `count` messages on as many subjects, in atomic batches of 1,000. Returns the time for that, ms: the best that the server can do.
 */
export async function bareBatchesMs(url: string, count: number): Promise<number> {
  const nc = await connect({ servers: url });
  try {
    const jsm = await jetstreamManager(nc);
    await jsm.streams.add({ name: "BATCHES", subjects: ["batches.>"], allow_atomic: true });
    const js = jetstream(nc);
    const startedAt = performance.now();
    let next = 0;
    async function lane(): Promise<void> {
      while (next < count) {
        const [from, batchId] = [next, randomUUID()];
        next += BATCH;
        for (let at = 1; at <= BATCH; at++) {
          const headers = newHeaders();
          headers.set("Nats-Batch-Id", batchId);
          headers.set("Nats-Batch-Sequence", String(at));
          headers.set("Task-Id", `Periodic17/vo123/default/2027-03-28T01:00:00.000Z`);
          if (at === BATCH) headers.set("Nats-Batch-Commit", "1");
          const subject = `batches.${from + at}`;
          if (at === BATCH) await js.publish(subject, "{}", { headers });
          else nc.publish(subject, "{}", { headers });
        }
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    const tookMs = performance.now() - startedAt;
    await jsm.streams.delete("BATCHES");
    return tookMs;
  } finally {
    await nc.close();
  }
}
