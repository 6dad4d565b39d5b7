// Tested by tests/src/worker/effect_once_test.ts
// Tested by tests/src/crash/crash_test.ts
import type { OutcomeRow } from "../definition/ledger.ts";
import { publishSpawned } from "../publish/publisher.ts";
import { retryMessageOf } from "../publish/task_message.ts";
import type { Broker } from "../broker/broker.ts";
import { storeDeadLetter } from "../broker/dead_letter.ts";
import { sendEvent } from "../broker/events.ts";
import { oneLine } from "../format/headers.ts";
import type { Step } from "../connection/observer.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import type { IdentifiedTask, PreparedTask } from "./identify.ts";
import type { StartCounts } from "./poison.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import type { StreamLedger } from "./stream_ledger.ts";

/** Errors that a message carries to its next attempt: a kilobyte each, within the room that TASKS leaves for headers. */
const MAX_TOLD_ERRORS = 8;

const ACK = new TextEncoder().encode("+ACK");

/** What settling needs of its worker. */
export interface SettleContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly starts: StartCounts;
  readonly streamLedger: StreamLedger;
  /** Whether the server still counts `task` as ours: only then may it be handed back, given up or failed. */
  owns(task: ReceivedTask): boolean;
}

/** Tells the server at once what becomes of the message; an ack has time. */
function answerNow({ broker }: SettleContext, { received }: IdentifiedTask, answer: string): void {
  broker.outbox.send(received.ack, Buffer.from(answer));
  broker.outbox.flush();
}

/** Tells one step on `EVENTS`. */
export function tell(
  { broker, worker }: SettleContext,
  { received, taskId, attempt }: IdentifiedTask,
  step: Pick<Step, "step" | "reason" | "tookMs">,
): void {
  sendEvent(broker, worker, { ...step, task: received.definition.name, vo: received.vo, taskId, attempt });
}

/**
 * Removes the message. Nobody waits for the server's word on it: an ack that is lost with the connection brings the message back, and
 * waiting for it would not change that.
 */
async function ack(context: SettleContext, task: PreparedTask, row: OutcomeRow): Promise<void> {
  if (task.received.definition.effect === "once" || row.spawned.length === 0) {
    context.broker.outbox.send(task.received.ack, ACK);
  } else {
    // A message that came back would find its children forgotten and spawn others.
    await context.broker.requests.ask({ subject: task.received.ack, body: "+ACK" });
    await context.streamLedger.forget(row);
  }
  await forgetStarts(context, task);
}

async function forgetStarts({ starts }: SettleContext, { received, taskId }: IdentifiedTask): Promise<void> {
  if (received.delivery.count > 1) await starts.settled(taskId);
}

/** Hands the message back, at once or after a delay; the server gives it to somebody else. Nothing happens when it is no longer ours. */
export function handBack(context: SettleContext, task: IdentifiedTask, delayMs = 0): void {
  if (!context.owns(task.received)) return;
  if (delayMs === 0) answerNow(context, task, "-NAK");
  // Nobody waits for it. Of a crowd there are thousands.
  else context.broker.outbox.send(task.received.ack, Buffer.from(`-NAK {"delay":${Math.round(delayMs * 1e6)}}`));
}

/** Gives up a task that never was one, with the reason. It needs no row: the verdict is the same each time. */
export async function refuse(context: SettleContext, task: IdentifiedTask, reason: string): Promise<void> {
  const { definition, vo, subject, headers, body, delivery } = task.received;
  const { taskId, attempt } = task;
  await storeDeadLetter(context.broker, {
    task: definition.name,
    vo,
    taskId,
    attempt,
    reason,
    subject,
    headers,
    data: body,
    stored: { stream: delivery.stream, sequence: delivery.streamSequence },
  });
  tell(context, task, { step: "refused", reason: oneLine(reason) });
  if (context.owns(task.received)) answerNow(context, task, `+TERM ${oneLine(reason)}`);
  await forgetStarts(context, task);
}

async function storeRetry({ broker }: SettleContext, { received }: IdentifiedTask, row: OutcomeRow): Promise<void> {
  const dueAt = row.dueAt ?? new Date().toISOString();
  // A database remembers the errors itself.
  const errors = received.definition.effect === "once" ? [] : row.errors.slice(-MAX_TOLD_ERRORS);
  const retry = retryMessageOf({ ...row, attempt: row.attempt + 1, dueAt, errors, headers: received.headers });
  await publishSurely(broker, { ...retry, body: received.body });
}

async function storeDead({ broker }: SettleContext, { received }: IdentifiedTask, row: OutcomeRow): Promise<void> {
  const { subject, headers, body } = received;
  const { task, vo, taskId, attempt, errors } = row;
  const reason = errors.at(-1) ?? "given up";
  await storeDeadLetter(broker, { task, vo, taskId, attempt, reason, errors, subject, headers, data: body });
}

/** How a row came to be settled: `tookMs` is the run's own time, undefined where another run's row is replayed. */
export interface Standing {
  readonly row: OutcomeRow;
  readonly tookMs: number | undefined;
}

/**
 * Makes true what the ledger says of a task, and removes its message: children, retry or dead letter first, then the event, then
 * the ack. It may be cut off after any step and be done again from the row: every step has the same ids each time.
 */
export async function settleByRow(
  context: SettleContext,
  task: PreparedTask,
  { row, tookMs }: Standing,
): Promise<void> {
  // An older attempt's copy may come late: its row was replaced, and the retry is on its way or has run.
  const isNewest = row.attempt <= task.attempt;
  if (isNewest && row.outcome === "retry") await storeRetry(context, task, row);
  if (isNewest && row.outcome === "dead") await storeDead(context, task, row);
  if (row.outcome === "done" && row.spawned.length > 0) {
    await publishSpawned(context.broker, row.taskId, row.spawned);
    await task.ledger.markPublished(row.taskId);
  }
  if (tookMs === undefined)
    tell(context, task, { step: "duplicate", reason: `attempt ${row.attempt} ended ${row.outcome}` });
  else if (row.outcome === "done") tell(context, task, { step: "done", tookMs });
  else tell(context, task, { step: row.outcome, tookMs, reason: row.errors.at(-1) ?? "" });
  await ack(context, task, row);
}
