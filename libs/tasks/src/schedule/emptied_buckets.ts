// Tested by libs/tasks/src/schedule/emptied_buckets_test.ts
import type { Broker } from "../broker/broker.ts";
import { findEmptying } from "../broker/emptied_bucket.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import type { Reporter } from "../lead/reporter.ts";
import { BUCKET_NAMES, type BucketName } from "../streams/stream_needs.ts";

/** Longest time after which a new leader still tells that a bucket was emptied, ms. An earlier leader has told of older ones. */
const TOLD_MS = 120_000;

const EFFECTS: Readonly<Record<BucketName, string>> = {
  locks: "every lock was freed, and former holders are refused as soon as others have taken theirs",
  results: "unended starts, children, groups, cancellations and incidents are lost",
  schedules: "what comes next is shown again within seconds; pauses that a leading scheduler knew are put back",
  config: "the last configuration in force is written back",
  workers: "running workers write their records again",
};

/** Buckets of which something does not come again by itself. */
const IS_LOSS: ReadonlySet<BucketName> = new Set(["locks", "results"]);

/** Returns a look whether somebody has emptied a bucket by a roll-up. It tells each time once. Throws where the broker is silent. */
export function createEmptiedLook(broker: Broker, clock: BrokerClock, report: Reporter): () => Promise<void> {
  const told = new Map<BucketName, number>();
  return async () => {
    for (const bucket of BUCKET_NAMES) {
      const emptying = await findEmptying(broker.jsm, bucket);
      if (emptying === undefined || told.get(bucket) === emptying.seq) continue;
      told.set(bucket, emptying.seq);
      if (emptying.time.getTime() < clock.now() - TOLD_MS) continue;
      const text =
        `Somebody published a message on ${emptying.subject} with the header Nats-Rollup: all, which emptied the bucket ${bucket}: ` +
        `${EFFECTS[bucket]}; forbid that client to publish there`;
      report.alarm(`emptied ${bucket} ${emptying.seq}`, text, { subject: emptying.subject });
      broker.keepIncident({ kind: "rollup", about: `KV_${bucket}`, text, isLoss: IS_LOSS.has(bucket) });
    }
  };
}
