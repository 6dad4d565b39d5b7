import type { OutcomeRow, UnitOfWork } from "../definition/unit_of_work.ts";
import { publishSpawned } from "../publish/publisher.ts";
import { retryMessageOf } from "../publish/task_message.ts";
import type { Broker } from "../wire/broker.ts";
import { storeDeadLetter } from "../wire/dead_letter.ts";
import { publishEvent } from "../wire/events.ts";
import { oneLine, TASK_PARENT } from "../wire/headers.ts";
import type { StepName } from "../wire/observer.ts";
import { publishSurely } from "../wire/publish_surely.ts";
import type { StartCounts } from "./poison.ts";
import type { ReceivedTask } from "./received_task.ts";
import type { StreamLedger } from "./stream_ledger.ts";

/** What settling needs of its worker. */
export interface SettleContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly starts: StartCounts;
  readonly streamLedger: StreamLedger;
  /** Whether the server still counts `task` as ours: only then may it be handed back, given up or failed. */
  owns(task: ReceivedTask): boolean;
}

/** A task with the identity that its headers and its delivery give it. */
export interface IdentifiedTask {
  readonly received: ReceivedTask;
  readonly taskId: string;
  readonly attempt: number;
}

function send(context: SettleContext, { received }: IdentifiedTask, answer: string): void {
  if (!context.broker.nc.isClosed()) context.broker.nc.publish(received.ack, answer);
}

/** Tells one step on `EVENTS`. */
export function tell(context: SettleContext, task: IdentifiedTask, step: StepName, more: { reason?: string; tookMs?: number } = {}): void {
  const { definition, vo } = task.received;
  publishEvent(context.broker, context.worker, { step, task: definition.name, vo, taskId: task.taskId, attempt: task.attempt, ...more });
}

/** Removes the message. Tasks without a ledger row wait for the server's word, for nothing else remembers that they are done. */
async function ack(context: SettleContext, task: IdentifiedTask): Promise<void> {
  if (task.received.definition.effect === "once") send(context, task, "+ACK");
  else await context.broker.nc.request(task.received.ack, "+ACK", { timeout: 5_000 });
  if (task.received.delivery.count > 1) await context.starts.settled(task.taskId);
}

/** Hands the message back, at once or after a delay; the server gives it to somebody else. Nothing happens when it is no longer ours. */
export function handBack(context: SettleContext, task: IdentifiedTask, delayMs = 0): void {
  if (!context.owns(task.received)) return;
  send(context, task, delayMs > 0 ? `-NAK {"delay":${Math.round(delayMs * 1e6)}}` : "-NAK");
}

/** Gives up a task that never was one, with the reason. It needs no row: the verdict is the same each time. */
export async function refuse(context: SettleContext, task: IdentifiedTask, reason: string, errors: readonly string[] = []): Promise<void> {
  const { definition, vo, subject, headers, body, delivery } = task.received;
  await storeDeadLetter(context.broker, {
    task: definition.name,
    vo,
    taskId: task.taskId,
    attempt: task.attempt,
    reason,
    errors,
    subject,
    headers,
    data: body,
  });
  tell(context, task, "refused", { reason: oneLine(reason) });
  if (context.owns(task.received)) send(context, task, `+TERM ${oneLine(reason)}`);
  if (delivery.count > 1) await context.starts.settled(task.taskId);
}

async function storeRetry(context: SettleContext, task: IdentifiedTask, row: OutcomeRow): Promise<void> {
  const { headers, body } = task.received;
  const parent = headers?.get(TASK_PARENT);
  const dueAt = row.dueAt ?? new Date().toISOString();
  const retry = retryMessageOf({ task: row.task, vo: row.vo, taskId: row.taskId, parent }, row.attempt + 1, dueAt);
  await publishSurely(context.broker, retry.subject, body, retry.headers);
}

async function storeDead(context: SettleContext, task: IdentifiedTask, row: OutcomeRow): Promise<void> {
  const { subject, headers, body } = task.received;
  const reason = row.errors.at(-1) ?? "given up";
  const { task: name, vo, taskId, attempt, errors } = row;
  await storeDeadLetter(context.broker, { task: name, vo, taskId, attempt, reason, errors, subject, headers, data: body });
}

/**
 * Makes true what the ledger says of a task, and removes its message: children, retry or dead letter first, then the event, then
 * the ack. It may be cut off after any step and be done again from the row: every step has the same ids each time.
 */
export async function settleByRow(
  context: SettleContext,
  task: IdentifiedTask,
  row: OutcomeRow,
  ledger: UnitOfWork<unknown>,
  tookMs: number | undefined,
): Promise<void> {
  // An older attempt's copy: the row says what became of it, and its retry is on its way or has run.
  const superseded = row.attempt > task.attempt;
  if (!superseded) {
    if (row.outcome === "retry") await storeRetry(context, task, row);
    if (row.outcome === "dead") await storeDead(context, task, row);
  }
  if (row.outcome === "done" && row.spawned.length > 0) {
    await publishSpawned(context.broker, row.taskId, row.spawned);
    await ledger.markPublished(row.taskId);
  }
  const reason = row.errors.at(-1);
  if (tookMs === undefined) tell(context, task, "duplicate", { reason: `attempt ${row.attempt} ended ${row.outcome}` });
  else tell(context, task, row.outcome, { tookMs, ...(reason === undefined || row.outcome === "done" ? {} : { reason }) });
  await ack(context, task);
  if (task.received.definition.effect !== "once" && row.spawned.length > 0) await context.streamLedger.forget(row);
}
