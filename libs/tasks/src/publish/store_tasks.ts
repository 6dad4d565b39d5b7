// Tested by tests/src/outbox/relay_test.ts
import { JetStreamApiError } from "@nats-io/jetstream";
import { InvalidArgumentError } from "@nats-io/nats-core";
import { publishAtomically } from "../broker/atomic_batch.ts";
import type { Broker } from "../broker/broker.ts";
import { isSilence, type OutgoingMessage } from "../broker/publish_surely.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { messageOfError } from "../definition/middleware.ts";
import { oneLine } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { StorageLimitError } from "../streams/storage_errors.ts";
import type { Gated, HookGate } from "./hook_gate.ts";
import { messageOf } from "./task_message.ts";

/** Smallest number of messages that go as a batch: below it each by itself is as fast. */
const BATCH_FROM = 20;
/** Greatest number of messages in a batch, and of bytes. The server holds all of a batch until the last message arrives. */
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 1024 * 1024;
/** Greatest number of batches under way. The server allows 50 for a stream. */
const BATCHES_AT_ONCE = 3;
/** HTTP's word for a request that can never succeed as it is. JetStream says 503 or 500 where it can later. */
const BAD_REQUEST = 400;

/** A task whose payload is kept as text, and is sent as it is. */
export interface WrittenTask extends Omit<SpawnedTask, "payload"> {
  /** The payload, JSON. */
  readonly body: string;
}

/** What became of one task. */
export type Stored =
  | { readonly kind: "stored" }
  /** It can never be stored as it is, for example since it is too large for the server. */
  | { readonly kind: "refused"; readonly reason: string }
  /**
   * It may be stored later, or is stored already. `all tasks`: the server did not answer or has no room, so that others fare no better now.
   * `this task`: for example a right is missing.
   */
  | { readonly kind: "kept"; readonly reach: "this task" | "all tasks"; readonly cause: unknown };

const STORED: Stored = { kind: "stored" };

function messageFrom(broker: Broker, { body, ...task }: WrittenTask): OutgoingMessage {
  return { ...messageOf(broker, { ...task, payload: {} }), body };
}

/** Whether the message itself is to blame, so that the same one is refused each time. */
function isForGood(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === BAD_REQUEST;
  return (
    error instanceof InvalidNameError ||
    error instanceof InvalidArgumentError || // the client's word for a payload over the server's limit
    error instanceof RangeError // a start that no date can name
  );
}

function judge(error: unknown): Stored {
  if (isSilence(error) || error instanceof StorageLimitError) return { kind: "kept", reach: "all tasks", cause: error };
  if (!isForGood(error)) return { kind: "kept", reach: "this task", cause: error };
  return { kind: "refused", reason: oneLine(error instanceof Error ? error.message : String(error)) };
}

/** Stores one task, without a second try. */
async function storeOnce(broker: Broker, task: WrittenTask): Promise<Stored> {
  try {
    await broker.requests.store(messageFrom(broker, task));
    return STORED;
  } catch (error) {
    return judge(error);
  }
}

/** Groups of tasks that go as one batch each. A batch holds messages of one stream, so what has a start of its own goes alone. */
function batchesOf(tasks: readonly WrittenTask[]): number[][] {
  const batches: number[][] = [];
  let bytes = 0;
  let open: number[] = [];
  for (const [at, { startAt, body }] of tasks.entries()) {
    if (startAt !== undefined) continue;
    if (open.length === 0 || open.length >= BATCH_MESSAGES || bytes + body.length > BATCH_BYTES) {
      open = [];
      bytes = 0;
      batches.push(open);
    }
    open.push(at);
    bytes += body.length;
  }
  return batches.filter((batch) => batch.length >= BATCH_FROM);
}

/** What a task comes to that its hooks have not let pass. */
function judgeGated(gated: Exclude<Gated, { kind: "passed" }>): Stored {
  if (gated.kind === "late") return { kind: "kept", reach: "this task", cause: gated.error };
  const { error } = gated;
  return {
    kind: "refused",
    reason: oneLine(`refused by ${messageOfError(error)}`),
  };
}

/**
 * Stores tasks once each, and returns what became of each, in order. Never throws: one that cannot be stored holds up no other.
 *
 * Many go in batches, which a server that writes each message to its disk stores several times as fast. A batch that is refused, for
 * example since one of it is a repeat, is stored message by message.
 *
 * With a `gate` each task passes the `publish` hooks first. One that a hook refuses is refused for good.
 */
export async function storeTasks(
  broker: Broker,
  tasks: readonly WrittenTask[],
  gate?: HookGate,
): Promise<readonly Stored[]> {
  if (gate === undefined) return await storeAll(broker, tasks);
  const gated = await Promise.all(tasks.map((task) => gate.pass({ ...task, payload: JSON.parse(task.body) })));
  const passed = tasks.flatMap((task, at) => {
    const answer = gated[at];
    return answer?.kind === "passed" ? [{ ...task, headers: answer.headers }] : [];
  });
  const stored = (await storeAll(broker, passed)).values();
  return gated.flatMap((answer) => (answer.kind === "passed" ? (stored.next().value ?? []) : [judgeGated(answer)]));
}

async function storeAll(broker: Broker, tasks: readonly WrittenTask[]): Promise<readonly Stored[]> {
  const stored = new Map<number, Stored>();
  const batches = batchesOf(tasks);

  async function storeBatch(batch: readonly number[]): Promise<void> {
    try {
      await publishAtomically(
        broker,
        batch.flatMap((at) => tasks[at] ?? []).map((task) => messageFrom(broker, task)),
      );
      for (const at of batch) stored.set(at, STORED);
    } catch (cause) {
      // Without an answer the next tries would wait as long, one after the other.
      if (isSilence(cause)) for (const at of batch) stored.set(at, judge(cause));
    }
  }

  const waiting = batches.values();
  const lane = async () => {
    for (const batch of waiting) await storeBatch(batch);
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, lane));
  return await Promise.all(tasks.map((task, at) => stored.get(at) ?? storeOnce(broker, task)));
}
