// Tested by tests/src/worker/effect_once_test.ts
// Tested by tests/src/crash/crash_test.ts
import type { Cancellations } from "../cancel/cancellations.ts";
import type { OutcomeRow } from "../definition/ledger.ts";
import { publishSpawned } from "../group/publish_spawned.ts";
import type { Groups } from "../group/groups.ts";
import { retryMessageOf } from "../publish/task_message.ts";
import type { Broker } from "../broker/broker.ts";
import { storeDeadLetter } from "../broker/dead_letter.ts";
import { sendEvent, sendLine } from "../broker/events.ts";
import { oneLine } from "../format/headers.ts";
import { traceIdOf } from "../format/own_headers.ts";
import type { Step } from "../connection/observer.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { hasGroup, tellGroup } from "../group/tell_group.ts";
import type { IdentifiedTask, PreparedTask } from "./identify.ts";
import type { StartCounts } from "./poison.ts";
import type { LineSink } from "./run_lines.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import type { StreamLedger } from "./stream_ledger.ts";
import { keepEnd, keepMsOf, keepRefusal } from "./keep_end.ts";
import { endUnique, hasUniqueKey } from "./unique_run.ts";

/** Number of errors that a message carries to its next attempt. They have a kilobyte each and must fit into the headers that TASKS allows. */
const MAX_TOLD_ERRORS = 8;

const ACK = "+ACK";

/** The parts of a worker that settling needs. */
export interface SettleContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly starts: StartCounts;
  readonly streamLedger: StreamLedger;
  /** The tasks that must not run, or not go on. */
  readonly cancellations: Pick<Cancellations, "find" | "noteEnded">;
  readonly groups: Groups;
  /** Whether the server still counts `task` as ours. Only then may it be handed back, given up or failed. */
  owns(task: ReceivedTask): boolean;
}

/** Tells the server at once what becomes of the message. An ack, in contrast, may wait in the outbox. */
function answerNow({ broker }: SettleContext, { received }: IdentifiedTask, answer: string): void {
  broker.outbox.send(received.ack, answer);
  broker.outbox.flush();
}

/** Publishes one step on `EVENTS`. */
export function tell(
  { broker, worker }: SettleContext,
  task: IdentifiedTask,
  step: Pick<Step, "step" | "reason" | "tookMs">,
): void {
  sendEvent(broker, worker, Object.assign(told(task), step));
}

/** What every report of a task says of it. */
function told({ received, taskId, attempt }: IdentifiedTask): Omit<Step, "step"> {
  const about = { task: received.definition.name, vo: received.vo, taskId, attempt };
  const traceId = received.headers === undefined ? undefined : traceIdOf(received.headers);
  return traceId === undefined ? about : { ...about, traceId };
}

/** Where the lines of a task's run go. */
export function linesOf({ broker, worker }: SettleContext, task: IdentifiedTask): LineSink {
  const about = told(task);
  return {
    write: (line) => broker.observer.line?.({ ...about, ...line }),
    tell: (level, text) => sendLine(broker, worker, { ...about, level, text }),
  };
}

/**
 * Removes the message. Nobody waits for the server to confirm that. If the ack is lost with the connection, the message comes back,
 * and waiting would not change that.
 */
async function ack(context: SettleContext, task: PreparedTask, row: OutcomeRow): Promise<void> {
  if (task.received.definition.effect === "once" || row.spawned.length === 0) {
    context.broker.outbox.send(task.received.ack, ACK);
  } else {
    // This ack is awaited: a message that came back would find its children forgotten, and spawn others.
    await context.broker.requests.ask({ subject: task.received.ack, body: ACK });
    await context.streamLedger.forget(row);
  }
  if (hasStarts(task)) await forgetStarts(context, task);
}

/** Whether its starts are counted, as they are from its second delivery on. */
function hasStarts({ received }: IdentifiedTask): boolean {
  return received.delivery.count > 1;
}

async function forgetStarts({ starts }: SettleContext, task: IdentifiedTask): Promise<void> {
  if (hasStarts(task)) await starts.settled(task.taskId);
}

/** Hands the message back, at once or after a delay. The server then gives it to some worker. Does nothing when it is no longer ours. */
export function handBack(context: SettleContext, task: IdentifiedTask, delayMs = 0): void {
  if (!context.owns(task.received)) return;
  if (delayMs === 0) answerNow(context, task, "-NAK");
  // Not flushed: nobody waits for it, and a crowd sends thousands.
  else context.broker.outbox.send(task.received.ack, `-NAK {"delay":${Math.round(delayMs * 1e6)}}`);
}

/** Gives up a message that cannot be a task, with the reason. It needs no row, since the decision is the same each time. */
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
  await tellGroup(context.groups, headers, { taskId, outcome: "dead", result: null, errors: [oneLine(reason)] });
  await context.cancellations.noteEnded(taskId, "dead");
  await keepRefusal(context, task, reason);
  await endUnique(context.broker, task);
  tell(context, task, { step: "refused", reason: oneLine(reason) });
  if (context.owns(task.received)) answerNow(context, task, `+TERM ${oneLine(reason)}`);
  await forgetStarts(context, task);
}

/** Removes a message that must not run, though no row stands for it. */
export async function dropDuplicate(context: SettleContext, task: IdentifiedTask, reason: string): Promise<void> {
  tell(context, task, { step: "duplicate", reason });
  context.broker.outbox.send(task.received.ack, ACK);
  await forgetStarts(context, task);
}

async function storeRetry({ broker }: SettleContext, { received }: IdentifiedTask, row: OutcomeRow): Promise<void> {
  const dueAt = row.dueAt ?? new Date().toISOString();
  // Where the ledger is a database, its row keeps the errors.
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

/** The row by which a task is settled. `tookMs` is the time of the run; it is undefined where the row of another run is replayed. */
export interface Standing {
  readonly row: OutcomeRow;
  readonly tookMs: number | undefined;
}

/**
 * Carries out what the ledger says of a task, and removes its message. Children, retry or dead letter come first, then the kept result, then
 * the event, then the ack. It may be cut off after any step and be repeated from the row, since every step has the same ids each time.
 */
export async function settleByRow(
  context: SettleContext,
  task: PreparedTask,
  { row, tookMs }: Standing,
): Promise<void> {
  // The copy of an older attempt may come late. Its row was replaced, and the retry is on its way or has run.
  const isNewest = row.attempt <= task.attempt;
  if (isNewest && row.outcome === "retry") await storeRetry(context, task, row);
  if (isNewest && row.outcome === "dead") await storeDead(context, task, row);
  if (row.outcome === "done" && row.spawned.length > 0) {
    await publishSpawned(context.broker, row.taskId, row.spawned);
    await task.ledger.markPublished(row.taskId);
  }
  if (hasGroup(task.received.headers)) await tellGroup(context.groups, task.received.headers, row);
  const noting = row.outcome === "retry" ? undefined : context.cancellations.noteEnded(row.taskId, row.outcome);
  if (noting !== undefined) await noting;
  // Neither is awaited where there is nothing to do, as for most tasks.
  if (keepMsOf(task.received) !== undefined) await keepEnd(context, task, row);
  if (row.outcome !== "retry" && hasUniqueKey(task)) await endUnique(context.broker, task);
  if (tookMs === undefined)
    tell(context, task, { step: "duplicate", reason: `attempt ${row.attempt} ended ${row.outcome}` });
  else if (row.outcome === "done") tell(context, task, { step: "done", tookMs });
  else tell(context, task, { step: row.outcome, tookMs, reason: row.errors.at(-1) ?? "" });
  await ack(context, task, row);
}
