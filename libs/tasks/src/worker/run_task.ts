import type { JsonObject } from "../definition/json.ts";
import { checkPayload, payloadHash, PayloadRefusedError, readPayload } from "../definition/payload.ts";
import type { OutcomeRow, UnitOfWork } from "../definition/unit_of_work.ts";
import { type Lease, LeaseLostError } from "../locks/lease.ts";
import type { Locks } from "../locks/locks.ts";
import type { Waiter } from "../locks/waiting_room.ts";
import { attemptOf, taskIdOf } from "../wire/delivery.ts";
import { oneLine } from "../wire/headers.ts";
import { ABORT_GRACE_MS, type AttemptEnd, type DepsInput, DrainedError, type RunningAttempt, startAttempt } from "./attempt.ts";
import type { ReceivedTask } from "./received_task.ts";
import { handBack, type IdentifiedTask, refuse, type SettleContext, settleByRow, tell } from "./settle.ts";

/** The ledger forgets after this long, ms; what was stored before and has no row is not run. */
const LEDGER_HORIZON_MS = 29 * 86_400_000;
/** A task goes back for this long when the database or the broker cannot answer, ms. */
const OUTAGE_DELAY_MS = 2_000;
/** Errors kept of a task's attempts. */
const MAX_ERRORS = 16;
/** An id of this shape is an occurrence's or one of its children's: the VO in it must be the message's own. */
const OCCURRENCE_ID = /^[A-Za-z][A-Za-z0-9_-]*\/([^/]+)\/[A-Za-z0-9_-]+\/\d{4}-\d\d-\d\dT/;

export interface RunContext extends SettleContext {
  readonly locks: Locks;
  readonly ledger: UnitOfWork<unknown> | undefined;
  readonly maxPayloadBytes: number;
  deps(input: DepsInput<unknown>): unknown;
  /** Raises the lock bucket if the database has seen tokens beyond it. Never throws. */
  raiseIfBehind(): Promise<void>;
  /** Told when an attempt starts, so that it can be aborted and its transaction be kept awake. */
  onStart(attempt: RunningAttempt): void;
  onEnd(attempt: RunningAttempt): void;
}

export type TaskEnd =
  /** The message is settled, handed back or left to the server. */
  | { readonly kind: "over" }
  /** Another task holds the lock `by`. Nothing has begun. */
  | { readonly kind: "contended"; readonly by: string }
  /** Over, but the task's code ignored its signal and may still be running. */
  | { readonly kind: "stuck" };

const OVER: TaskEnd = { kind: "over" };

/** An error as one line of at most 1 KiB. */
export function describeError(error: unknown): string {
  return oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
}

/** Reads what a message says of itself. Answers the reason instead when it says nonsense. */
function identify(received: ReceivedTask): { readonly task: IdentifiedTask; readonly problem?: string } {
  const taskId = taskIdOf(received.headers, received.delivery);
  const [, vo] = OCCURRENCE_ID.exec(taskId) ?? [];
  try {
    const task = { received, taskId, attempt: attemptOf(received.headers) };
    if (vo === undefined || vo === received.vo) return { task };
    return { task, problem: `Cannot run ${JSON.stringify(taskId)} for VO ${received.vo}: the id belongs to VO ${vo}; give the task an id of its own` };
  } catch (error) {
    return { task: { received, taskId, attempt: 1 }, problem: describeError(error) };
  }
}

/** Why a row of the ledger is not this task's, or undefined. */
function foreignTo(row: OutcomeRow, { received, taskId }: IdentifiedTask, hash: string): string | undefined {
  const { definition, vo } = received;
  if (row.task === definition.name && row.vo === vo && row.payloadHash === hash) return undefined;
  const what = row.task === definition.name && row.vo === vo ? "another payload" : `${row.task} of VO ${row.vo}`;
  return `Cannot run ${JSON.stringify(taskId)}: id already used by ${what}; publish it under a new id`;
}

function covers(row: OutcomeRow, attempt: number): boolean {
  return row.attempt >= attempt || (row.outcome !== "retry" && row.outcome !== "dead");
}

/** A message's place in the lines for its locks. */
export interface Waiting {
  readonly waiter: Waiter;
  /** How long it has waited so far, ms. */
  readonly waitedMs: number;
}

/**
 * One message's life in this worker, from its first byte to its settling.
 *
 * Never throws: when the broker or the database cannot answer, the message goes back and nothing is recorded.
 */
export async function runTask(context: RunContext, received: ReceivedTask, waiting: Waiting): Promise<TaskEnd> {
  const { task, problem } = identify(received);
  try {
    if (problem !== undefined) {
      await refuse(context, task, problem);
      return OVER;
    }
    return await run(context, task, waiting);
  } catch (error) {
    if (error instanceof PayloadRefusedError) {
      return refuse(context, task, error.message).then(() => OVER, (cause: unknown) => abandon(context, task, cause));
    }
    return abandon(context, task, error);
  }
}

function abandon(context: RunContext, task: IdentifiedTask, cause: unknown): TaskEnd {
  tell(context, task, "abandoned", { reason: describeError(cause) });
  handBack(context, task, cause instanceof DrainedError ? 0 : OUTAGE_DELAY_MS * (0.75 + Math.random() / 2));
  return OVER;
}

async function run(context: RunContext, task: IdentifiedTask, waiting: Waiting): Promise<TaskEnd> {
  const { received, taskId } = task;
  const { definition, vo, delivery } = received;
  const raw = readPayload(definition.name, received.body);
  const payload = await checkPayload(definition, raw);
  const hash = payloadHash(raw);
  const ledger = definition.effect === "once" ? context.ledger : context.streamLedger;
  if (ledger === undefined) throw new TypeError(`Cannot run ${definition.name}: its effect is "once" and the worker has no ledger`);

  const storedMs = Number(delivery.storedAtNs) / 1e6;
  const isOld = storedMs < Date.now() - LEDGER_HORIZON_MS;
  let row: OutcomeRow | undefined;
  if (delivery.count > 1 || task.attempt > 1 || isOld) {
    row = await ledger.recall(taskId);
    const foreign = row === undefined ? undefined : foreignTo(row, task, hash);
    if (foreign !== undefined) return refuse(context, task, foreign).then(() => OVER);
    if (row !== undefined && covers(row, task.attempt)) return replay(context, task, row, ledger);
    if (row === undefined && isOld) {
      return refuse(context, task, `Cannot run a task stored on ${new Date(storedMs).toISOString()}: older than the ledger`).then(() => OVER);
    }
  }
  // A raw message's attempt counts only where the ledger knows the one before it.
  const known = row === undefined && definition.effect === "once" ? { ...task, attempt: 1 } : task;
  return locked(context, known, { raw, payload, hash, ledger, errors: row?.errors ?? [], waiting, vo });
}

async function replay(context: RunContext, task: IdentifiedTask, row: OutcomeRow, ledger: UnitOfWork<unknown>): Promise<TaskEnd> {
  await settleByRow(context, task, row, ledger, undefined);
  return OVER;
}

interface Prepared {
  readonly raw: JsonObject;
  readonly payload: JsonObject;
  readonly hash: string;
  readonly ledger: UnitOfWork<unknown>;
  readonly errors: readonly string[];
  readonly waiting: Waiting;
  readonly vo: string;
}

/** Takes the locks, runs one attempt under them, and settles it. */
async function locked(context: RunContext, task: IdentifiedTask, prepared: Prepared): Promise<TaskEnd> {
  const { definition } = task.received;
  const keys = definition.locks(prepared.payload as never, prepared.vo).map((lock) => lock.key);
  let leases: readonly Lease[] = [];
  if (keys.length > 0) {
    const untilMs = performance.now() + definition.timeoutMs + ABORT_GRACE_MS;
    const { waiter, waitedMs } = prepared.waiting;
    const taken = await context.locks.tryAcquire(keys, { taskId: task.taskId, untilMs, waiter });
    if (taken.kind === "blocked") {
      if (waitedMs < definition.lockWaitMs) return { kind: "contended", by: taken.by };
      context.locks.forget(waiter);
      const error = new Error(`Cannot take lock "${taken.by}" for ${definition.name}: it was held by others for ${Math.round(waitedMs)} ms`);
      return failed(context, task, prepared, error, performance.now()).then(() => OVER);
    }
    leases = taken.leases;
  }
  try {
    if (task.received.delivery.count > 1 && (await context.starts.begin(task.taskId)) === "poison") {
      return await poisoned(context, task, prepared);
    }
    return await attempt(context, task, prepared, leases);
  } finally {
    // The transaction has surely ended. A release that fails expires.
    await Promise.allSettled(leases.map((lease) => lease.release()));
  }
}

async function attempt(context: RunContext, task: IdentifiedTask, prepared: Prepared, leases: readonly Lease[]): Promise<TaskEnd> {
  const { definition, vo, delivery } = task.received;
  const { payload, hash, ledger, errors } = prepared;
  const { taskId, attempt: number } = task;
  const running = startAttempt({
    definition,
    payload,
    payloadHash: hash,
    vo,
    taskId,
    attempt: number,
    leases,
    errors,
    ledger,
    deps: (input) => context.deps(input),
    maxPayloadBytes: context.maxPayloadBytes,
  });
  context.onStart(running);
  tell(context, task, "started", { tookMs: Math.max(0, Date.now() - Number(delivery.storedAtNs) / 1e6) });
  const end = await running.ended;
  context.onEnd(running);
  const released = Promise.allSettled(leases.map((lease) => lease.release()));
  await conclude(context, task, prepared, end, running.startedAtMs);
  await released;
  return running.isStuck() ? { kind: "stuck" } : OVER;
}

/** Turns the end of an attempt into an outcome, or leaves none. */
async function conclude(context: RunContext, task: IdentifiedTask, prepared: Prepared, end: AttemptEnd, startedAtMs: number): Promise<void> {
  switch (end.kind) {
    case "done":
      return settleByRow(context, task, end.row, prepared.ledger, performance.now() - startedAtMs);
    case "earlier": {
      const foreign = foreignTo(end.row, task, prepared.hash);
      if (foreign !== undefined) return refuse(context, task, foreign);
      return settleByRow(context, task, end.row, prepared.ledger, undefined);
    }
    case "failed":
      return failed(context, task, prepared, end.error, startedAtMs);
    case "abandoned": {
      const isLeaseLost = end.error instanceof LeaseLostError;
      if (!isLeaseLost && task.received.delivery.count > 1) await context.starts.handedBack(task.taskId);
      // A fence that refuses the newest lease has seen tokens of a bucket that is gone.
      if (!isLeaseLost && !(end.error instanceof DrainedError)) await context.raiseIfBehind();
      abandon(context, task, end.error);
    }
  }
}

async function failed(context: RunContext, task: IdentifiedTask, prepared: Prepared, error: unknown, startedAtMs: number): Promise<void> {
  // Once the server may have given the message to somebody else, this run has no say any more.
  if (!context.owns(task.received)) return void tell(context, task, "abandoned", { reason: describeError(error) });
  const { definition } = task.received;
  const decision = definition.retry.decide({ error, attempt: task.attempt });
  const dueAt = decision.kind === "retry" ? new Date(Date.now() + decision.delayMs).toISOString() : null;
  const outcome = decision.kind === "drop" ? "dropped" : decision.kind;
  await record(context, task, prepared, { outcome, dueAt, error: describeError(error) }, startedAtMs);
}

async function poisoned(context: RunContext, task: IdentifiedTask, prepared: Prepared): Promise<TaskEnd> {
  const error = "PoisonError: killed its worker: its run on a redelivered message began five times without an end";
  await record(context, task, prepared, { outcome: "dead", dueAt: null, error }, performance.now());
  return OVER;
}

/** Records an outcome without an effect and makes true whatever row then stands. */
async function record(
  context: RunContext,
  task: IdentifiedTask,
  prepared: Prepared,
  end: { readonly outcome: "retry" | "dead" | "dropped"; readonly dueAt: string | null; readonly error: string },
  startedAtMs: number,
): Promise<void> {
  const { definition, vo } = task.received;
  const row: OutcomeRow = {
    taskId: task.taskId,
    task: definition.name,
    vo,
    payloadHash: prepared.hash,
    attempt: task.attempt,
    outcome: end.outcome,
    result: null,
    spawned: [],
    dueAt: end.dueAt,
    errors: [...prepared.errors, end.error].slice(-MAX_ERRORS),
  };
  const stands = await prepared.ledger.record(row);
  const foreign = foreignTo(stands, task, prepared.hash);
  if (foreign !== undefined) return refuse(context, task, foreign);
  const isOurs = stands.attempt === row.attempt && stands.outcome === row.outcome;
  await settleByRow(context, task, stands, prepared.ledger, isOurs ? performance.now() - startedAtMs : undefined);
}
