// Tested by tests/src/worker/retry_test.ts
import { type Cancellation, describeCancellation } from "../cancel/cancellation.ts";
import { payloadHash } from "../definition/payload.ts";
import type { RetryPolicy } from "../definition/retry.ts";
import { keptHeadersOf } from "../publish/task_message.ts";
import type { OutcomeRow, RetryMessage } from "../definition/ledger.ts";
import { oneLine } from "../format/headers.ts";
import { checkIsOurs, describeError, type PreparedTask } from "./identify.ts";
import { hasEndedThreads } from "./poison.ts";
import { type SettleContext, settleByRow, tell } from "./settle.ts";
import { beginUnique } from "./unique_run.ts";

/** Longest delay of a retry, a year, ms. */
const MAX_DELAY_MS = 366 * 86_400_000;
/** Number of errors that are kept of a task's attempts. */
export const MAX_ERRORS = 16;

/** What is to be recorded of a failed attempt. */
export interface FailedOutcome {
  readonly outcome: "retry" | "dead" | "dropped" | "cancelled";
  readonly dueAt: string | null;
  readonly error: string;
}

/** What of a task stands in the row of its failure. */
export interface FailedTask extends Pick<PreparedTask, "taskId" | "attempt" | "sent" | "errors"> {
  readonly received: Pick<PreparedTask["received"], "definition" | "vo" | "headers" | "body">;
}

/** A failed attempt. */
export interface Failure {
  /** The value that `execute` or the commit threw. */
  readonly error: unknown;
  readonly tookMs: number;
  /** What the task's retry policy has said of it in another thread, where the error has its class; absent: nobody has asked it. */
  readonly decided?: FailedOutcome | undefined;
}

/** Asks the retry policy, records its decision, and carries the decision out. */
export async function failAttempt(
  context: SettleContext,
  task: PreparedTask,
  { error, tookMs, decided }: Failure,
): Promise<void> {
  const { definition } = task.received;
  if (!context.owns(task.received)) {
    // The server may have given the message to another worker, whose run decides now.
    tell(context, task, { step: "abandoned", reason: `no longer ours when it failed: ${describeError(error)}` });
    return;
  }
  const failure = { error, attempt: task.attempt };
  await record(context, task, { ...(decided ?? decide(definition.retry, failure)), tookMs });
}

/**
 * Returns the policy's decision on a failure at `nowMs`, default: this machine's time. A policy without a usable decision ends the task, which
 * otherwise would come back for ever.
 */
export function decide(
  policy: RetryPolicy,
  failure: { readonly error: unknown; readonly attempt: number },
  nowMs = Date.now(),
): FailedOutcome {
  const error = describeError(failure.error);
  try {
    const decision = policy.decide(failure);
    if (decision.kind !== "retry") {
      return { outcome: decision.kind === "drop" ? "dropped" : "dead", dueAt: null, error };
    }
    if (!(decision.delayMs >= 0 && decision.delayMs <= MAX_DELAY_MS)) {
      throw new RangeError(`it gave a delay of ${decision.delayMs} ms, which is not between 0 and ${MAX_DELAY_MS}`);
    }
    return { outcome: "retry", dueAt: new Date(nowMs + decision.delayMs).toISOString(), error };
  } catch (cause) {
    const problem = `retry policy ${policy.name} cannot be followed: ${describeError(cause)}`;
    return { outcome: "dead", dueAt: null, error: oneLine(`${problem}; the task failed with ${error}`) };
  }
}

/** Gives up a task whose runs began and did not end too often. */
export async function giveUpPoison(context: SettleContext, task: PreparedTask): Promise<void> {
  const { starts } = task.received;
  const error =
    starts?.died === undefined || !hasEndedThreads(starts)
      ? "killed its worker: after other runs without an end its last two had the process to themselves from start to end, and did not end"
      : oneLine(`killed its thread in two runs, the last time by ${starts.died.reason}`);
  await record(context, task, { outcome: "dead", dueAt: null, error, tookMs: 0 });
}

/** Ends a cancelled task, before it has begun or after its run was rolled back. Where a COMMIT was first, its row counts. */
export async function endCancelled(
  context: SettleContext,
  task: PreparedTask,
  { cancellation, tookMs }: { readonly cancellation: Cancellation; readonly tookMs: number },
): Promise<void> {
  if (!context.owns(task.received)) {
    // The worker that has the message now knows the cancellation too.
    tell(context, task, { step: "abandoned", reason: "no longer ours when it was cancelled" });
    return;
  }
  const error = describeCancellation(cancellation);
  await record(context, task, { outcome: "cancelled", dueAt: null, error, tookMs });
}

/** Drops the retry of an occurrence whose schedule has published a newer one. */
export async function dropSuperseded(context: SettleContext, task: PreparedTask): Promise<void> {
  const error = "not tried again: a newer occurrence of its schedule has been published";
  await record(context, task, { outcome: "dropped", dueAt: null, error, tookMs: 0 });
}

/** Begins a task under its unique key, if it has one, or drops it where another one has taken its place. Returns whether it may go on. */
export async function beginOrDrop(context: SettleContext, task: PreparedTask): Promise<boolean> {
  const reason = await beginUnique(context.broker, task);
  if (reason === undefined) return true;
  await record(context, task, { outcome: "dropped", dueAt: null, error: reason, tookMs: 0 });
  return false;
}

/**
 * Fails a task whose `execute` was not called, for example since its lock was not to be had. The failure uses up an attempt, so it is the beginning
 * of a task with a unique key. Otherwise its next attempt would run after the one that replaced it.
 */
export async function failUnbegun(context: SettleContext, task: PreparedTask, error: unknown): Promise<void> {
  if (context.owns(task.received) && !(await beginOrDrop(context, task))) return;
  await failAttempt(context, task, { error, tookMs: 0 });
}

/** Returns what the message of the next attempt can be made from again. The body is UTF-8, since its JSON was read. */
function retryMessageFrom({ headers, body }: FailedTask["received"]): RetryMessage {
  return {
    body: Buffer.from(body.buffer, body.byteOffset, body.length).toString(),
    headers: keptHeadersOf(headers),
  };
}

/** Returns the row of an attempt that failed. */
export function failedRow(task: FailedTask, end: FailedOutcome): OutcomeRow {
  const { received, taskId, attempt, sent, errors } = task;
  return {
    taskId,
    task: received.definition.name,
    vo: received.vo,
    payloadHash: payloadHash(sent),
    attempt,
    outcome: end.outcome,
    result: null,
    spawned: [],
    dueAt: end.dueAt,
    errors: [...errors, end.error].slice(-MAX_ERRORS),
    ...(end.outcome === "retry" ? { message: retryMessageFrom(received) } : {}),
  };
}

/** Records an outcome without an effect, and settles the task by the row that then stands. */
async function record(
  context: SettleContext,
  task: PreparedTask,
  end: FailedOutcome & { readonly tookMs: number },
): Promise<void> {
  const row = failedRow(task, end);
  const stands = await task.ledger.record(row);
  checkIsOurs(stands, task);
  const isOurs = stands.attempt === row.attempt && stands.outcome === row.outcome;
  await settleByRow(context, task, { row: stands, tookMs: isOurs ? end.tookMs : undefined });
}
