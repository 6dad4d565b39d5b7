import { PayloadRefusedError, payloadHash, readPayload } from "../definition/payload.ts";
import type { Ledger } from "../definition/ledger.ts";
import { type Lease, LeaseLostError } from "../locks/lease.ts";
import type { Locks } from "../locks/locks.ts";
import type { Turn } from "../locks/turns.ts";
import type { Waiter } from "../locks/waiting_room.ts";
import { nameOfMessage } from "../format/delivery.ts";
import { oneLine } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { isSuperseded } from "../broker/occurrence.ts";
import { ABORT_GRACE_MS, type AttemptEnd, type DepsInput, DrainedError, RunningAttempt } from "./attempt.ts";
import type { Environment } from "./environment.ts";
import { dropSuperseded, failAttempt, giveUpPoison, MAX_ERRORS } from "./fail.ts";
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
import { aloneMsOf, isPoison } from "./poison.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { handBack, refuse, type SettleContext, settleByRow, tell } from "./settle.ts";

/** The ledger forgets after 30 days; what was stored longer ago than this and has no row is not run, ms. */
const LEDGER_HORIZON_MS = 29 * 86_400_000;
/** A task goes back for about this long when the database or the broker cannot answer, ms: the first time, and the longest. */
const OUTAGE_DELAY_MS = 1_000;
const OUTAGE_DELAY_MAX_MS = 5_000;
/** It goes back for so long when its payload is of a newer version than this worker knows, ms. */
const NEWER_DELAY_MS = 30_000;

/** What a task's run needs of its worker. */
export interface RunContext extends SettleContext {
  readonly locks: Locks;
  readonly ledger: Ledger<unknown> | undefined;
  /** Largest payload of a child, bytes of JSON. */
  readonly maxPayloadBytes: number;
  deps(input: DepsInput<unknown>): unknown;
  /** Whether the servers that tasks need are as they must be. */
  readonly environment: Environment;
  /** Remembers what this worker is too old for. */
  readonly newerPayloads: NewerPayloads;
  /** Raises the lock bucket if the database has seen tokens beyond it. Never throws. */
  raiseIfBehind(): Promise<void>;
  /** Told when an attempt starts, so that it can be aborted and its transaction be kept awake. */
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
  /** Another task holds the lock `by`. Nothing has begun. */
  | { readonly kind: "contended"; readonly by: string }
  /** So many wait for the lock `by` in this process that there is no place left. Nothing was asked of anybody. */
  | { readonly kind: "crowded"; readonly by: string }
  /** Earlier runs of it did not end: it must have the process to itself for `aloneMs`. Nothing has begun. */
  | { readonly kind: "suspect"; readonly aloneMs: number }
  /** Over, but the task's code ignored its signal and may still be running. */
  | { readonly kind: "stuck" };

const OVER: TaskEnd = { kind: "over" };
const HANDED_BACK: TaskEnd = { kind: "handedBack" };

function isRefusal(error: unknown): error is Error {
  return error instanceof PayloadRefusedError || error instanceof TaskRefusedError || error instanceof InvalidNameError;
}

/**
 * One message's life in this worker, from its first byte to its settling.
 *
 * Never throws: when the broker or the database cannot answer, the message goes back and nothing is recorded.
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
 * Records the end of a retry that is refused, as by a newer schema than the one that took its first attempt: its row would say for ever
 * that it is to be tried again. A refusal needs no row otherwise.
 */
async function endRefusedRetry({ ledger }: RunContext, received: ReceivedTask, reason: string): Promise<void> {
  const { definition, vo, body } = received;
  const { taskId, attempt } = byId(received);
  if (definition.effect !== "once" || ledger === undefined || attempt === 1) return;
  const row = await ledger.recall(taskId);
  if (row?.outcome !== "retry" || row.attempt >= attempt || row.task !== definition.name || row.vo !== vo) return;
  if (row.payloadHash !== hashOf(definition.name, body)) return;
  const errors = [...row.errors, oneLine(reason)].slice(-MAX_ERRORS);
  await ledger.record({ ...row, attempt: row.attempt + 1, outcome: "dead", dueAt: null, errors });
}

/** The hash of a payload that can be read; undefined where it cannot. */
function hashOf(task: string, body: Uint8Array): string | undefined {
  try {
    return payloadHash(readPayload(task, body));
  } catch (error) {
    if (error instanceof PayloadRefusedError) return undefined;
    throw error;
  }
}

/** Longer with each delivery: what nobody mends for long is not asked for all the time. */
function outageDelayMs({ received }: IdentifiedTask): number {
  return Math.min(OUTAGE_DELAY_MS * 2 ** Math.min(received.delivery.count - 1, 10), OUTAGE_DELAY_MAX_MS);
}

/** Leaves the task without an outcome: its message comes back, and its attempt is not used up. */
function abandon(context: RunContext, task: IdentifiedTask, cause: unknown): TaskEnd {
  tell(context, task, { step: "abandoned", reason: describeError(cause) });
  context.newerPayloads.note(task.received, cause);
  context.environment.noteAbandoned(cause);
  const isDrained = cause instanceof DrainedError;
  const delayMs = cause instanceof NewerPayloadError ? NEWER_DELAY_MS : outageDelayMs(task);
  handBack(context, task, isDrained ? 0 : delayMs * (0.75 + Math.random() / 2));
  return isDrained ? HANDED_BACK : OVER;
}

/** It was in hand for so long, or the broker away, that somebody else has it by now. */
function leave(context: RunContext, received: ReceivedTask): TaskEnd {
  tell(context, byId(received), { step: "abandoned", reason: "no longer ours before it began" });
  return OVER;
}

async function run(context: RunContext, received: ReceivedTask, waiting: Waiting): Promise<TaskEnd> {
  const { definition, delivery } = received;
  if (!context.owns(received)) return leave(context, received);
  const ledger = definition.effect === "once" ? context.ledger : context.streamLedger.of(nameOfMessage(delivery));
  if (ledger === undefined)
    throw new TypeError(`Cannot run ${definition.name}: its effect is "once" and the worker has no ledger`);
  const task = await prepare(received, ledger);
  const by = context.locks.mayBeFull ? fullLine(context, task, waiting) : undefined;
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
    // A message's own word for its attempt counts only where the ledger knows the one before it.
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

/** The lock for which too many wait here already. Who cannot wait need not ask the ledger or the broker: of a crowd each one would. */
function fullLine({ locks }: RunContext, { received, payload }: PreparedTask, { waiter }: Waiting): string | undefined {
  try {
    const wanted = received.definition.locks(payload as never, received.vo);
    return locks.fullAt(
      wanted.map(({ key }) => key),
      waiter,
    );
  } catch {
    return undefined; // thrown again where it is the attempt's failure
  }
}

/** A retry of a schedule's occurrence makes way for a newer one, which does the same work on newer facts (PROTOCOL 6). */
async function goOn(context: RunContext, task: PreparedTask, waiting: Waiting): Promise<TaskEnd> {
  if (task.attempt === 1 || !(await isSuperseded(context.broker, task.taskId))) {
    return await takeLocks(context, task, waiting);
  }
  await dropSuperseded(context, task);
  return OVER;
}

/** What the earlier runs of a redelivered task say against it: undefined where it may begin as it is. */
async function suspicion(context: RunContext, task: PreparedTask, { aloneMs }: Waiting): Promise<TaskEnd | undefined> {
  const { received } = task;
  // Read once for each delivery: nobody else can begin it before the next one.
  received.starts ??= await context.starts.read(task);
  if (isPoison(received.starts)) {
    await giveUpPoison(context, task);
    return OVER;
  }
  const neededMs = aloneMsOf(received.starts);
  return neededMs <= aloneMs ? undefined : { kind: "suspect", aloneMs: neededMs };
}

async function takeLocks(context: RunContext, task: PreparedTask, waiting: Waiting): Promise<TaskEnd> {
  const { waiter, waitedMs } = waiting;
  const { definition, vo, delivery } = task.received;
  if (delivery.count > 1) {
    const suspected = await suspicion(context, task, waiting);
    if (suspected !== undefined) return suspected;
  }
  let keys: readonly string[];
  try {
    keys = definition.locks(task.payload as never, vo).map((lock) => lock.key);
  } catch (error) {
    await failAttempt(context, task, { error, tookMs: 0 });
    return OVER;
  }
  if (keys.length === 0) return await runOnce(context, task, []);
  const untilMs = performance.now() + definition.timeoutMs + ABORT_GRACE_MS;
  const taken = await context.locks.tryAcquire(keys, { taskId: task.taskId, untilMs, waiter });
  if (taken.kind === "taken") return await underLeases(context, task, taken.leases);
  if (waitedMs < definition.lockWaitMs) return { kind: "contended", by: taken.by };
  const seconds = Math.round(waitedMs / 1000);
  const error = new Error(`Cannot take lock "${taken.by}" for ${definition.name}: others held it for ${seconds} s`);
  await failAttempt(context, task, { error, tookMs: 0 });
  if (delivery.count > 1) await context.starts.settled(task.taskId);
  return OVER;
}

async function underLeases(context: RunContext, task: PreparedTask, turns: readonly Turn[]): Promise<TaskEnd> {
  try {
    return await runOnce(context, task, turns);
  } finally {
    // Whatever came in between; harmless where the turns are over. A release that fails expires.
    await Promise.all(turns.map((turn) => turn.release()));
  }
}

async function runOnce(context: RunContext, task: PreparedTask, turns: readonly Turn[]): Promise<TaskEnd> {
  // The broker may have been away while its locks were asked for.
  if (!context.owns(task.received)) return leave(context, task.received);
  const { starts } = task.received;
  if (starts !== undefined)
    await context.starts.begin({ taskId: task.taskId, attempt: task.attempt, ack: task.received.ack }, starts);
  const running = start(context, task, turns);
  const end = await running.ended.finally(() => context.onEnd(running));
  // The transaction has surely ended. The next in this process may have the locks as they stand, if nothing of the run is left.
  const isClean = !running.isStuck() && (end.kind === "done" || end.kind === "failed");
  const released = Promise.all(turns.map((turn) => (isClean ? turn.handOn() : turn.release())));
  let concluded: TaskEnd;
  try {
    concluded = await conclude(context, task, { end, startedAtMs: running.startedAtMs });
  } catch (error) {
    // The run has ended; that its end could not be recorded says nothing against the task.
    if (starts !== undefined) await context.starts.handedBack(task, starts);
    throw error;
  }
  await released;
  return running.isStuck() ? { kind: "stuck" } : concluded;
}

function start(context: RunContext, task: PreparedTask, leases: readonly Lease[]): RunningAttempt {
  const { definition, vo, delivery } = task.received;
  const running = new RunningAttempt({
    ...task,
    definition,
    vo,
    leases,
    deps: (input) => context.deps(input),
    maxPayloadBytes: context.maxPayloadBytes,
  });
  context.onStart(running);
  tell(context, task, { step: "started", tookMs: Math.max(0, Date.now() - Number(delivery.storedAtNs) / 1e6) });
  return running;
}

/** Turns the end of an attempt into an outcome, or leaves none. */
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
      await failAttempt(context, task, { error: end.error, tookMs });
      context.environment.noteRecorded();
      return OVER;
    case "abandoned":
      return concludeAbandoned(context, task, end.error);
  }
}

async function concludeAbandoned(context: RunContext, task: PreparedTask, error: unknown): Promise<TaskEnd> {
  if (!(error instanceof LeaseLostError)) {
    // In good order: it says nothing against the task. A lost lease counts, so that endless abandonment ends too.
    const { starts } = task.received;
    if (starts !== undefined) await context.starts.handedBack(task, starts);
    // A fence that refuses the newest lease has seen tokens of a bucket that is gone.
    if (!(error instanceof DrainedError)) await context.raiseIfBehind();
  }
  return abandon(context, task, error);
}
