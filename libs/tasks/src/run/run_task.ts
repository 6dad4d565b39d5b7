import { hashOfReadable, PayloadRefusedError } from "../definition/payload.ts";
import type { Ledger } from "../definition/ledger.ts";
import type { Limiter, Lock } from "../definition/lock_type.ts";
import type { JoinedMiddleware } from "../definition/middleware.ts";
import { LeaseLostError } from "../lease/lease.ts";
import type { Locks } from "../locks/locks.ts";
import type { Waiter } from "../locks/waiting_room.ts";
import { isLimiterKey } from "../tally/tally.ts";
import { nameOfMessage } from "../format/delivery.ts";
import { headerOf, oneLine, TASK_CALLBACK } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { isSuperseded } from "../broker/occurrence.ts";
import { ABORT_GRACE_MS, type AttemptEnd, type DepsInput, DrainedError, type RunningAttempt } from "./attempt.ts";
import { groupOfCallback } from "./callback_group.ts";
import type { Environment } from "./environment.ts";
import {
  beginOrDrop,
  dropSuperseded,
  endCancelled,
  failAttempt,
  failUnbegun,
  giveUpPoison,
  MAX_ERRORS,
} from "./fail.ts";
import {
  byId,
  checkIsOurs,
  covers,
  describeError,
  type IdentifiedTask,
  NewerPayloadError,
  type PreparedTask,
  prepare,
  TaskRefusedError,
} from "./identify.ts";
import type { NewerPayloads } from "./newer_payloads.ts";
import { aloneMsOf, isPoison, spare } from "./poison.ts";
import { type Held, NO_LOCKS, tellLocks, traceWait } from "./held_locks.ts";
import { ThreadDiedError, type Threads } from "./thread_order.ts";
import { fullLine, locksOf } from "./wanted_locks.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import type { ProgressReports } from "../result/progress.ts";
import { keepMsOf } from "./keep_end.ts";
import { dropDuplicate, handBack, refuse, type SettleContext, settleByRow, tell } from "./settle.ts";
import { startRun } from "./start_run.ts";
import { hasUniqueKey } from "./unique_run.ts";

/** Age from which a message without a row is not run, ms. The ledger forgets rows after 30 days. */
const LEDGER_HORIZON_MS = 29 * 86_400_000;
/** First delay, spread by a quarter either way, of a task that goes back since the database or the broker cannot answer, ms. */
const OUTAGE_DELAY_MS = 1_000;
/** Longest such delay, ms. */
const OUTAGE_DELAY_MAX_MS = 5_000;

/** The parts of a worker that a task's run needs. */
export interface RunContext extends SettleContext {
  readonly locks: Locks;
  /** The limiters that the configuration gives to a task, of its VO too. */
  limitersOf(task: string, vo: string): readonly Limiter[];
  readonly ledger: Ledger<unknown> | undefined;
  /** Largest payload of a child, bytes of JSON. */
  readonly maxPayloadBytes: number;
  /** Runs around each run, and around each child. */
  readonly middleware: JoinedMiddleware;
  deps(input: DepsInput<unknown>): unknown;
  /** The threads in which its tasks run; undefined: they run in this one. */
  readonly threads?: Threads | undefined;
  /** Tells whether the servers that tasks need do their work. */
  readonly environment: Environment;
  /** Remembers the payloads for which this worker is too old. */
  readonly newerPayloads: NewerPayloads;
  readonly progress: ProgressReports;
  /** Raises the lock bucket if the database has seen higher tokens. Never throws. */
  raiseIfBehind(): Promise<void>;
  /** Called when an attempt starts, so that it can be aborted and its transaction be kept awake. */
  onStart(attempt: RunningAttempt): void;
  onEnd(attempt: RunningAttempt): void;
}

/** A message's place in the lines for its locks, and in its process. */
export interface Waiting {
  readonly waiter: Waiter;
  /** How long it has waited so far, ms. */
  readonly waitedMs: number;
  /** Time that it has the process to itself, ms; 0: it runs among others. */
  readonly aloneMs: number;
}

export type TaskEnd =
  /** The message is settled, handed back for later or left to the server. */
  | { readonly kind: "over" }
  /** It was handed back for others to run at once. */
  | { readonly kind: "handedBack" }
  /** Another task holds the lock `by`. Nothing has begun. The event of this end is called `contended`. */
  | { readonly kind: "held"; readonly by: string }
  /** So many wait for the lock `by` in this process that there is no place left. Neither broker nor ledger was asked. */
  | { readonly kind: "crowded"; readonly by: string }
  /** Earlier runs of it did not end: it must have the process to itself for `aloneMs`. Nothing has begun. */
  | { readonly kind: "suspect"; readonly aloneMs: number }
  /** The run is over, but the task's code ignored its signal and may still be running. */
  | { readonly kind: "stuck" };

const OVER: TaskEnd = { kind: "over" };
const HANDED_BACK: TaskEnd = { kind: "handedBack" };

function isRefusal(error: unknown): error is Error {
  return error instanceof PayloadRefusedError || error instanceof TaskRefusedError || error instanceof InvalidNameError;
}

/**
 * Runs one message in this worker, from its first byte to its settling.
 *
 * Never throws. When the broker or the database cannot answer, the message goes back and nothing is recorded.
 */
export async function runTask(context: RunContext, received: ReceivedTask, waiting: Waiting): Promise<TaskEnd> {
  try {
    return await run(context, received, waiting);
  } catch (error) {
    if (!isRefusal(error)) return abandon(context, byId(received), error);
    try {
      await endRefusedRetry(context, received, error.message);
      await refuse(context, byId(received), error.message);
      return OVER;
    } catch (cause) {
      return abandon(context, byId(received), cause);
    }
  }
}

/**
 * Records the end of a retry that is refused, for example by a newer schema than that of its first attempt. Otherwise its row would say
 * for ever that it is going to be tried again. Other refusals need no row.
 */
async function endRefusedRetry({ ledger }: RunContext, received: ReceivedTask, reason: string): Promise<void> {
  const { definition, vo, body } = received;
  const { taskId, attempt } = byId(received);
  if (definition.effect !== "once" || ledger === undefined || attempt === 1) return;
  const row = await ledger.recall(taskId);
  if (row?.outcome !== "retry" || row.attempt >= attempt || row.task !== definition.name || row.vo !== vo) return;
  if (row.payloadHash !== hashOfReadable(definition.name, body)) return;
  const errors = [...row.errors, oneLine(reason)].slice(-MAX_ERRORS);
  await ledger.record({ ...row, attempt: row.attempt + 1, outcome: "dead", dueAt: null, errors });
}

/** The delay grows with each delivery, so that a long outage is not met by constant questions. */
function outageDelayMs({ received }: IdentifiedTask): number {
  return Math.min(OUTAGE_DELAY_MS * 2 ** Math.min(received.delivery.count - 1, 10), OUTAGE_DELAY_MAX_MS);
}

/** Leaves the task without an outcome. Its message comes back, and its attempt is not used up. */
function abandon(context: RunContext, task: IdentifiedTask, cause: unknown): TaskEnd {
  tell(context, task, { step: "abandoned", reason: describeError(cause) });
  context.newerPayloads.note(task.received, cause);
  context.environment.noteAbandoned(cause);
  const isDrained = cause instanceof DrainedError;
  const delayMs = cause instanceof NewerPayloadError ? context.newerPayloads.delayMs(cause) : outageDelayMs(task);
  handBack(context, task, isDrained ? 0 : delayMs * (0.75 + Math.random() / 2));
  return isDrained ? HANDED_BACK : OVER;
}

/** Leaves a task that is no longer ours: it was in hand too long, or the connection was lost, and another worker may have it. */
function leave(context: RunContext, received: ReceivedTask): TaskEnd {
  tell(context, byId(received), { step: "abandoned", reason: "no longer ours before it began" });
  return OVER;
}

function streamLedgerOf({ streamLedger }: RunContext, received: ReceivedTask): Ledger<undefined> {
  return streamLedger.of(nameOfMessage(received.delivery), keepMsOf(received) !== undefined);
}

async function run(context: RunContext, received: ReceivedTask, waiting: Waiting): Promise<TaskEnd> {
  const { definition, delivery } = received;
  if (!context.owns(received)) return leave(context, received);
  const ledger = definition.effect === "once" ? context.ledger : streamLedgerOf(context, received);
  if (ledger === undefined)
    throw new TypeError(`Cannot run ${definition.name}: its effect is "once" and the worker has no ledger`);
  const prepared = prepare(received, ledger);
  const task = prepared instanceof Promise ? await prepared : prepared;
  const isCancelled = context.cancellations.find(task.taskId, received.headers) !== undefined;
  const by = context.locks.mayBeFull && !isCancelled ? fullLine(context, task, waiting) : undefined;
  if (by !== undefined) return { kind: "crowded", by };
  const storedMs = Number(delivery.storedAtNs) / 1e6;
  const isOld = storedMs < Date.now() - LEDGER_HORIZON_MS;
  if (received.isFirst && task.attempt === 1 && !isOld) return await takeLocks(context, task, waiting);

  const row = await ledger.recall(task.taskId);
  if (row === undefined && isOld && definition.effect === "once") {
    throw new TaskRefusedError(
      task.taskId,
      `it was stored on ${new Date(storedMs).toISOString()}, older than the ledger`,
    );
  }
  if (row === undefined) {
    // The attempt that a message states counts only where the ledger knows the attempt before it.
    const attempt = definition.effect === "once" ? 1 : task.attempt;
    return await goOn(context, { ...task, attempt }, waiting);
  }
  checkIsOurs(row, task);
  if (!covers(row, task.attempt)) {
    return await goOn(context, { ...task, attempt: row.attempt + 1, errors: row.errors }, waiting);
  }
  await settleByRow(context, task, { row, tookMs: undefined });
  return OVER;
}

/** Drops a retry of a schedule's occurrence if there is a newer one, which does the same work on newer facts (PROTOCOL 6). */
async function goOn(context: RunContext, task: PreparedTask, waiting: Waiting): Promise<TaskEnd> {
  const { missed, overlap } = task.received.definition;
  // Where each occurrence counts, a newer one does not stand for it.
  const mayBeSuperseded = task.attempt > 1 && missed !== "all" && overlap === "skip";
  if (!mayBeSuperseded || !(await isSuperseded(context.broker, task.taskId))) {
    return await takeLocks(context, task, waiting);
  }
  await dropSuperseded(context, task);
  return OVER;
}

/** Returns the end of a redelivered task whose earlier runs make it a suspect or poison; undefined where it may begin. */
async function suspicion(context: RunContext, task: PreparedTask, { aloneMs }: Waiting): Promise<TaskEnd | undefined> {
  const { received } = task;
  // Read once for each delivery: no other worker can begin the task before the next delivery.
  received.starts ??= await context.starts.read(task);
  if (isPoison(received.starts)) {
    const spared = await spare(context.broker, received.starts);
    if (spared === undefined) {
      await giveUpPoison(context, task);
      return OVER;
    }
    received.starts = spared;
  }
  const neededMs = aloneMsOf(received.starts);
  return neededMs <= aloneMs ? undefined : { kind: "suspect", aloneMs: neededMs };
}

async function takeLocks(context: RunContext, task: PreparedTask, waiting: Waiting): Promise<TaskEnd> {
  const { waiter, waitedMs } = waiting;
  const { definition, delivery, headers } = task.received;
  const cancellation = context.cancellations.find(task.taskId, headers);
  if (cancellation !== undefined) {
    await endCancelled(context, task, { cancellation, tookMs: 0 });
    return OVER;
  }
  const callbackOf = headerOf(headers, TASK_CALLBACK);
  if (callbackOf !== "" && definition.effect !== "once" && (await context.groups.hasCalled(callbackOf))) {
    await dropDuplicate(context, task, `the callback of group ${callbackOf} has ended`);
    return OVER;
  }
  if (delivery.count > 1) {
    const suspected = await suspicion(context, task, waiting);
    if (suspected !== undefined) return suspected;
  }
  let locks: readonly Lock[];
  try {
    locks = locksOf(context, task);
  } catch (error) {
    await failUnbegun(context, task, error);
    return OVER;
  }
  if (locks.length === 0) return await runOnce(context, task, NO_LOCKS);
  const askedAtMs = performance.now();
  const untilMs = askedAtMs + definition.timeoutMs + ABORT_GRACE_MS;
  const waitsUntilMs = askedAtMs - waitedMs + definition.lockWaitMs + ABORT_GRACE_MS;
  const request = { taskId: task.taskId, untilMs, waiter, waitsUntilMs };
  const taken = await context.locks.tryAcquireAll(locks, request);
  if (taken.kind === "taken") {
    const takenAtMs = performance.now();
    traceWait(context.broker, task, { locks, beganAtMs: askedAtMs - waitedMs });
    const held = { turns: taken.leases, waitedMs: waitedMs + takenAtMs - askedAtMs, takenAtMs };
    return await underLeases(context, task, held);
  }
  if (waitedMs < definition.lockWaitMs) return { kind: "held", by: taken.by };
  // A limit that is reached is nobody's failure, however many wait for it.
  if (isLimiterKey(taken.by)) return { kind: "crowded", by: taken.by };
  const seconds = Math.round(waitedMs / 1000);
  const error = new Error(`Cannot take lock "${taken.by}" for ${definition.name}: others held it for ${seconds} s`);
  await failUnbegun(context, task, error);
  if (delivery.count > 1) await context.starts.settled(task.taskId);
  return OVER;
}

async function underLeases(context: RunContext, task: PreparedTask, held: Held): Promise<TaskEnd> {
  try {
    return await runOnce(context, task, held);
  } finally {
    // Releases the locks on every way out. This is harmless where the turns are over. A lock that cannot be released expires.
    await Promise.all(held.turns.map((turn) => turn.release()));
  }
}

async function runOnce(context: RunContext, task: PreparedTask, held: Held): Promise<TaskEnd> {
  const { turns } = held;
  // The connection may have been lost while its locks were asked for.
  if (!context.owns(task.received)) return leave(context, task.received);
  if (hasUniqueKey(task) && !(await beginOrDrop(context, task))) return OVER;
  const { starts } = task.received;
  const callbackOf = headerOf(task.received.headers, TASK_CALLBACK);
  const group = callbackOf === "" ? undefined : await groupOfCallback(context, task, callbackOf);
  if (starts !== undefined)
    await context.starts.begin({ taskId: task.taskId, attempt: task.attempt, ack: task.received.ack }, starts);
  const late = turns.find((turn) => turn.begin?.() === false);
  if (late !== undefined) {
    // This process stood still. The quota goes to others, and the task has not begun.
    if (starts !== undefined) await context.starts.handedBack(task, starts);
    return { kind: "crowded", by: late.key };
  }
  const running = startRun(context, task, { leases: turns, group });
  const end = await endOf(context, running);
  context.progress.end(task.taskId);
  tellLocks(context.broker, task, { ...held, end });
  // The transaction has certainly ended. If no code of the run is left, the next task in this process may get the locks as they are.
  const isClean = !running.isStuck() && (end.kind === "done" || end.kind === "failed" || end.kind === "cancelled");
  // Most tasks have no locks, and need not wait for anything.
  const released =
    turns.length === 0 ? undefined : Promise.all(turns.map((turn) => (isClean ? turn.handOn() : turn.release())));
  let concluded: TaskEnd;
  try {
    concluded = await conclude(context, task, { end, startedAtMs: running.startedAtMs });
  } catch (error) {
    // The run has ended. The failure to record its end is not the task's fault.
    if (starts !== undefined) await context.starts.handedBack(task, starts);
    throw error;
  }
  if (released !== undefined) await released;
  return running.isStuck() ? { kind: "stuck" } : concluded;
}

async function endOf(context: RunContext, running: RunningAttempt): Promise<AttemptEnd> {
  try {
    return await running.ended;
  } finally {
    context.onEnd(running);
  }
}

/** Turns the end of an attempt into an outcome, or leaves the task without one. */
async function conclude(
  context: RunContext,
  task: PreparedTask,
  { end, startedAtMs }: { readonly end: AttemptEnd; readonly startedAtMs: number },
): Promise<TaskEnd> {
  const tookMs = performance.now() - startedAtMs;
  switch (end.kind) {
    case "done":
      if (task.received.definition.effect === "once") context.environment.noteRecorded();
      await settleByRow(context, task, { row: end.row, tookMs });
      return OVER;
    case "earlier":
      checkIsOurs(end.row, task);
      await settleByRow(context, task, { row: end.row, tookMs: undefined });
      return OVER;
    case "failed":
      if (await context.environment.isToBlame({ ...end, startedAtMs }))
        return concludeAbandoned(context, task, end.error);
      await failAttempt(context, task, { error: end.error, tookMs, decided: end.decided });
      context.environment.noteRecorded();
      return OVER;
    case "cancelled":
      await endCancelled(context, task, { cancellation: end.error.cancellation, tookMs });
      return OVER;
    case "abandoned":
      return concludeAbandoned(context, task, end.error);
  }
}

async function concludeAbandoned(context: RunContext, task: PreparedTask, error: unknown): Promise<TaskEnd> {
  if (error instanceof ThreadDiedError) {
    await context.starts.died(task, task.received.starts, error.reason);
  } else if (!(error instanceof LeaseLostError)) {
    // This end is in good order and is not the task's fault. A lost lease stays counted, so that a task cannot be abandoned for ever.
    const { starts } = task.received;
    if (starts !== undefined) await context.starts.handedBack(task, starts);
    // A fence that refuses the newest lease has seen tokens of a bucket that was deleted.
    if (!(error instanceof DrainedError)) await context.raiseIfBehind();
  }
  return abandon(context, task, error);
}
