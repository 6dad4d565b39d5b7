// Tested by tests/src/worker/retry_test.ts
import { payloadHash } from "../definition/payload.ts";
import type { RetryPolicy } from "../definition/retry.ts";
import { KEPT_HEADERS } from "../publish/task_message.ts";
import type { OutcomeRow, RetryMessage } from "../definition/ledger.ts";
import { headerOf, oneLine } from "../format/headers.ts";
import { checkIsOurs, describeError, type PreparedTask } from "./identify.ts";
import { type SettleContext, settleByRow, tell } from "./settle.ts";

/** No retry waits longer, ms: a year. */
const MAX_DELAY_MS = 366 * 86_400_000;
/** Errors kept of a task's attempts. */
export const MAX_ERRORS = 16;

/** A failed attempt. */
export interface Failure {
  /** What `execute` or the commit threw, itself. */
  readonly error: unknown;
  readonly tookMs: number;
}

/** Asks the retry policy, records what it says, and makes that true. */
export async function failAttempt(
  context: SettleContext,
  task: PreparedTask,
  { error, tookMs }: Failure,
): Promise<void> {
  const { definition } = task.received;
  if (!context.owns(task.received)) {
    // The server may have given the message to somebody else: this run has no say any more.
    tell(context, task, { step: "abandoned", reason: `no longer ours when it failed: ${describeError(error)}` });
    return;
  }
  const failure = { error, attempt: task.attempt };
  await record(context, task, { ...decide(definition.retry, failure), tookMs });
}

/** What the policy says. One that says nothing sensible ends the task, which would come back for ever otherwise. */
function decide(policy: RetryPolicy, failure: { error: unknown; attempt: number }): Omit<FailedOutcome, "tookMs"> {
  const error = describeError(failure.error);
  try {
    const decision = policy.decide(failure);
    if (decision.kind !== "retry") {
      return { outcome: decision.kind === "drop" ? "dropped" : "dead", dueAt: null, error };
    }
    if (!(decision.delayMs >= 0 && decision.delayMs <= MAX_DELAY_MS)) {
      throw new RangeError(`it gave a delay of ${decision.delayMs} ms, which is none from 0 to ${MAX_DELAY_MS}`);
    }
    return { outcome: "retry", dueAt: new Date(Date.now() + decision.delayMs).toISOString(), error };
  } catch (cause) {
    const problem = `retry policy ${policy.name} cannot be followed: ${describeError(cause)}`;
    return { outcome: "dead", dueAt: null, error: oneLine(`${problem}; the task failed with ${error}`) };
  }
}

/** Gives up a task that has begun too often without an end. */
export async function giveUpPoison(context: SettleContext, task: PreparedTask): Promise<void> {
  const error =
    "killed its worker: after other runs without an end its last two had the process to themselves from start to end, and did not end";
  await record(context, task, { outcome: "dead", dueAt: null, error, tookMs: 0 });
}

/** Drops the retry of an occurrence of which a newer one is out. */
export async function dropSuperseded(context: SettleContext, task: PreparedTask): Promise<void> {
  const error = "not tried again: a newer occurrence of its schedule has been published";
  await record(context, task, { outcome: "dropped", dueAt: null, error, tookMs: 0 });
}

/** What the next attempt's message can be made from again. The body is UTF-8: its JSON was read. */
function retryMessageFrom({ headers, body }: PreparedTask["received"]): RetryMessage {
  const kept = KEPT_HEADERS.map((name) => [name, headerOf(headers, name)]).filter(([, value]) => value !== "");
  return { body: Buffer.from(body.buffer, body.byteOffset, body.length).toString(), headers: Object.fromEntries(kept) };
}

interface FailedOutcome {
  readonly outcome: "retry" | "dead" | "dropped";
  readonly dueAt: string | null;
  readonly error: string;
  readonly tookMs: number;
}

/** Records an outcome without an effect, and makes true whatever row then stands. */
async function record(context: SettleContext, task: PreparedTask, end: FailedOutcome): Promise<void> {
  const { received, taskId, attempt, sent, errors } = task;
  const row: OutcomeRow = {
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
  const stands = await task.ledger.record(row);
  checkIsOurs(stands, task);
  const isOurs = stands.attempt === row.attempt && stands.outcome === row.outcome;
  await settleByRow(context, task, { row: stands, tookMs: isOurs ? end.tookMs : undefined });
}
