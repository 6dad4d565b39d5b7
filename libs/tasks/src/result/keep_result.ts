// Tested by tests/src/worker/results_test.ts
import { headers as newHeaders } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { hasLapsed, readStored } from "../broker/timed_entry.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import { type KeptResult, parseKept, resultKey } from "./kept_result.ts";

/** Greatest number of writes of one result. Others who settle the same task are in the way of each. */
const TRIES = 8;

/** A result that is to be kept. */
export interface ToKeep extends KeptResult {
  readonly taskId: string;
  /** How long it is kept, ms. */
  readonly keepMs: number;
}

/** Whether the entry that is there tells at least as much as `ours`. */
function stands(there: KeptResult, ours: KeptResult): boolean {
  if (there.outcome === "refused") return ours.outcome === "refused";
  // A message that is refused is another one than the task's, or came after its end.
  if (ours.outcome === "refused") return true;
  // Without a database the id may have been published again on purpose. That message runs, and its result is the newer one.
  if (ours.message !== undefined) return there.message === ours.message && there.attempt >= ours.attempt;
  return there.attempt >= ours.attempt;
}

/**
 * Keeps how a task ended, before its message is acked. A repeat changes nothing, and nothing newer is overwritten.
 *
 * One request where nobody was before. Throws when the broker does not answer: the task then comes back, and is settled again.
 */
export async function keepResult(broker: Broker, { taskId, keepMs, ...kept }: ToKeep): Promise<void> {
  const key = resultKey(taskId);
  let expected = 0;
  for (let tries = 0; tries < TRIES; tries++) {
    const headers = newHeaders();
    headers.set(MESSAGE_TTL, `${Math.ceil(keepMs / 1_000)}s`);
    headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(expected));
    try {
      await broker.requests.store({ subject: `$KV.results.${key}`, body: JSON.stringify(kept), headers });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const stored = await readStored(broker.jsm, "results", key);
    expected = stored?.revision ?? 0;
    if (stored === undefined || stored.kind === "mark" || (await hasLapsed(broker.time, stored))) continue;
    const there = parseKept(stored.text);
    if (there !== undefined && stands(there, kept)) return;
  }
  throw new Error(`Cannot keep the result of ${taskId}: others wrote it ${TRIES} times meanwhile`);
}

/** Forgets the kept result of a task that is to run again, as after a requeue. */
export async function forgetResult({ buckets }: Pick<Broker, "buckets">, taskId: string): Promise<void> {
  await buckets.results.purge(resultKey(taskId));
}
