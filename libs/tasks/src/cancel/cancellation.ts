// Tested by tests/src/worker/cancel_test.ts
import { headers as newHeaders } from "@nats-io/nats-core";
import * as z from "zod";
import type { Broker } from "../broker/broker.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { EXPECTED_LAST_SUBJECT_SEQUENCE, MESSAGE_TTL, oneLine } from "../format/headers.ts";
import { escapeToken } from "../format/token.ts";

/*
 * The wish that a task does not run, or does not go on: an entry `cancel.<id>` of the bucket `results` (PROTOCOL 8).
 *
 * The one who cancels writes it. Workers and the leading scheduler read it. The one of them that ends the task notes in it how the task
 * ended. That note is for the one who cancelled, and proves nothing.
 */

/** Time to live of a cancellation. It is as long as the ledger remembers a task. */
export const CANCELLATION_TTL = "720h";
/** The same, ms. */
export const CANCELLATION_TTL_MS = 720 * 3_600_000;

/** The subjects of all cancellations. */
export const CANCEL_SUBJECTS = "$KV.results.cancel.";

const ENDS = ["done", "dropped", "cancelled", "dead"] as const;

const Value = z.object({
  id: z.string().min(1),
  of: z.enum(["task", "group"]),
  at: z.string(),
  by: z.string().optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
  ended: z.enum(ENDS).optional().catch(undefined),
});

/** How a task can end for good. A dead letter may be requeued. */
export type TaskEnding = (typeof ENDS)[number];

/** What is stored under `cancel.<id>`. */
export interface Cancellation {
  /** The id of a task or of a group. */
  readonly id: string;
  /** `group` means all children of the group `id`. */
  readonly of: "task" | "group";
  /** When it was asked for, RFC 3339. */
  readonly at: string;
  /** Who asked for it, as `ana@ui01`. */
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  /** How the task ended afterwards. Written by the worker or scheduler that ended it; absent: none has yet. */
  readonly ended?: TaskEnding | undefined;
}

/** The key of a cancellation in the bucket `results`. */
export function cancelKey(id: string): string {
  return `cancel.${escapeToken(id)}`;
}

/** Reads a stored cancellation; undefined where the entry makes no sense. Anybody may have written it. */
export function parseCancellation(text: string): Cancellation | undefined {
  try {
    return Value.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // no JSON
  }
}

/** Reads the cancellation of `id` from the stream's leader, with the revision of its key. Throws when the broker does not answer. */
export async function readCancellation(
  broker: Pick<Broker, "jsm" | "time">,
  id: string,
): Promise<{ readonly revision: number; readonly cancellation: Cancellation | undefined }> {
  const { revision, text } = await readTimed(broker, "results", cancelKey(id));
  const cancellation = text === undefined ? undefined : parseCancellation(text);
  return { revision, cancellation: cancellation?.id === id ? cancellation : undefined };
}

/** Stores a cancellation where its key is still at `revision`, 0: empty. Throws JetStream's refusal, and when nobody answers. */
export async function storeCancellation(
  { requests }: Pick<Broker, "requests">,
  cancellation: Cancellation,
  revision: number,
): Promise<number> {
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, CANCELLATION_TTL);
  headers.set(EXPECTED_LAST_SUBJECT_SEQUENCE, String(revision));
  const subject = `$KV.results.${cancelKey(cancellation.id)}`;
  const { seq } = await requests.store({ subject, body: JSON.stringify(cancellation), headers });
  return seq;
}

/** Why a task was cancelled, as one line: `cancelled by ana@ui01: wrong dataset`. */
export function describeCancellation({ of, id, by, reason }: Cancellation): string {
  const what = of === "group" ? `cancelled with its group ${id}` : "cancelled";
  return oneLine(`${what}${by === undefined ? "" : ` by ${by}`}${reason === undefined ? "" : `: ${reason}`}`);
}

/** The task was cancelled while it ran, so its signal aborted and its run has no effect. */
export class CancelledError extends Error {
  override readonly name = "CancelledError";
  readonly cancellation: Cancellation;
  constructor(cancellation: Cancellation) {
    super(`Cannot finish this task: it was ${describeCancellation(cancellation)}`);
    this.cancellation = cancellation;
  }
}
