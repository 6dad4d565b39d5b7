import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { wasCreatedAnew } from "../streams/created_anew.ts";
import { TASKS } from "../streams/streams.ts";
import { RENEW_MS } from "./registration.ts";

/** Longest delay with which a worker's record may arrive, ms. */
const LATE_MS = 1_000;

/**
 * Time until each running worker has shown itself, ms. It is 0, except in the first seconds after the bucket `workers` was deleted and
 * created anew: until then a missing record does not mean that its worker has ended.
 */
export async function untilWorkersShownMs({ jsm }: Pick<Broker, "jsm">): Promise<number> {
  const [bucket, tasks] = await Promise.all([jsm.streams.info("KV_workers"), jsm.streams.info(TASKS)]);
  if (!wasCreatedAnew(bucket, tasks)) return 0;
  // The server's own time, which it sends with each info.
  const nowMs = bucket.ts === undefined ? Date.now() : Date.parse(bucket.ts);
  const ageMs = nowMs - Date.parse(bucket.created);
  return Math.max(0, RENEW_MS + LATE_MS - ageMs);
}

/** Resolves once each running worker has shown itself, at once or within eleven seconds. */
export async function untilWorkersShown(broker: Pick<Broker, "jsm">): Promise<void> {
  const ms = await untilWorkersShownMs(broker);
  if (ms > 0) await pause(ms);
}
