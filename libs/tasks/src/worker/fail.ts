import type { OutcomeRow } from "../definition/unit_of_work.ts";
import { checkIsOurs, describeError, type PreparedTask } from "./identify.ts";
import { type SettleContext, settleByRow, tell } from "./settle.ts";

/** Errors kept of a task's attempts. */
const MAX_ERRORS = 16;

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
  const decision = definition.retry.decide({ error, attempt: task.attempt });
  const outcome = decision.kind === "drop" ? "dropped" : decision.kind;
  const dueAt = decision.kind === "retry" ? new Date(Date.now() + decision.delayMs).toISOString() : null;
  await record(context, task, { outcome, dueAt, error: describeError(error), tookMs });
}

/** Gives up a task that has begun too often without an end. */
export async function giveUpPoison(context: SettleContext, task: PreparedTask): Promise<void> {
  const error = "killed its worker: five runs of the redelivered message began without an end";
  await record(context, task, { outcome: "dead", dueAt: null, error, tookMs: 0 });
}

interface FailedOutcome {
  readonly outcome: "retry" | "dead" | "dropped";
  readonly dueAt: string | null;
  readonly error: string;
  readonly tookMs: number;
}

/** Records an outcome without an effect, and makes true whatever row then stands. */
async function record(context: SettleContext, task: PreparedTask, end: FailedOutcome): Promise<void> {
  const { received, taskId, attempt, payloadHash, errors } = task;
  const row: OutcomeRow = {
    taskId,
    task: received.definition.name,
    vo: received.vo,
    payloadHash,
    attempt,
    outcome: end.outcome,
    result: null,
    spawned: [],
    dueAt: end.dueAt,
    errors: [...errors, end.error].slice(-MAX_ERRORS),
  };
  const stands = await task.ledger.record(row);
  checkIsOurs(stands, task);
  const isOurs = stands.attempt === row.attempt && stands.outcome === row.outcome;
  await settleByRow(context, task, { row: stands, tookMs: isOurs ? end.tookMs : undefined });
}
