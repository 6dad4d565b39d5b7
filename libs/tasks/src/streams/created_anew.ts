import type { StreamInfo } from "@nats-io/jetstream";

/** Longest time that it takes to declare all streams and buckets, ms. */
const TOGETHER_MS = 2_000;

/**
 * Whether a bucket was deleted and created anew, by its stream's info and that of TASKS. All are declared in one go, so such a bucket is
 * much younger than TASKS.
 */
export function wasCreatedAnew(bucket: Pick<StreamInfo, "created">, tasks: Pick<StreamInfo, "created">): boolean {
  return Date.parse(bucket.created) - Date.parse(tasks.created) >= TOGETHER_MS;
}
