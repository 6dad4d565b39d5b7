// Tested by libs/tasks/src/schedule/emptied_buckets_test.ts
import type { JetStreamManager } from "@nats-io/jetstream";
import { headerOf, ROLLUP } from "../format/headers.ts";
import type { BucketName } from "../streams/stream_needs.ts";
import { nextMatching, type Stored } from "./stored_messages.ts";

/**
 * The message that emptied the bucket by a roll-up; undefined: none that we can see. It stays the bucket's first message until somebody
 * writes its key again.
 *
 * What was stored before it was taken by it. Muster sends no such message, and the server keeps none that it refuses.
 */
export async function findEmptying(jsm: JetStreamManager, bucket: BucketName): Promise<Stored | undefined> {
  const first = await nextMatching(jsm, `KV_${bucket}`, { from: 1, filter: `$KV.${bucket}.>` });
  return first !== null && headerOf(first.header, ROLLUP) === "all" ? first : undefined;
}
