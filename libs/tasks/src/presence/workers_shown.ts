import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { TASKS } from "../streams/streams.ts";
import { RENEW_MS } from "./registration.ts";

/** Streams and buckets are declared in one go; a bucket that is so much younger than TASKS was deleted and made again, ms. */
const TOGETHER_MS = 2_000;
/** How much later than its time a worker's record may arrive, ms. */
const LATE_MS = 1_000;

/**
 * How long it takes until each worker that runs has shown itself, ms; 0 but in the first seconds of a bucket `workers` that was deleted
 * and made again: until then a worker that is not there says nothing.
 */
export async function untilWorkersShownMs({ jsm }: Pick<Broker, "jsm">): Promise<number> {
  const [bucket, tasks] = await Promise.all([jsm.streams.info("KV_workers"), jsm.streams.info(TASKS)]);
  const createdAtMs = Date.parse(bucket.created);
  if (createdAtMs - Date.parse(tasks.created) < TOGETHER_MS) return 0;
  // The server's own time, which it tells with each info.
  const nowMs = bucket.ts === undefined ? Date.now() : Date.parse(bucket.ts);
  const ageMs = nowMs - createdAtMs;
  return Math.max(0, RENEW_MS + LATE_MS - ageMs);
}

/** Resolves once each worker that runs has shown itself: at once, or within eleven seconds. */
export async function untilWorkersShown(broker: Pick<Broker, "jsm">): Promise<void> {
  const ms = await untilWorkersShownMs(broker);
  if (ms > 0) await pause(ms);
}
