// Tested by tests/src/worker/call_test.ts
import { randomUUID } from "node:crypto";
import type { NatsAccess } from "../access/nats_access.ts";
import type { Broker } from "../broker/broker.ts";
import { publishEvent, sendLine } from "../broker/events.ts";
import { CancelledError, describeCancellation } from "../cancel/cancellation.ts";
import { type Cancellations, openCancellations } from "../cancel/cancellations.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { createTasksInForce, describeUnusable } from "../configuration/tasks_in_force.ts";
import type { StepName } from "../connection/observer.ts";
import type { Json, JsonObject } from "../definition/json.ts";
import type { Ledger, OutcomeRow } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { payloadHash } from "../definition/payload.ts";
import { checkedPayload, voFor } from "../definition/prepare.ts";
import type { PayloadOption, PublishableTask } from "../definition/publishable.ts";
import type { AnyTask, NoDeps, TaskOver } from "../definition/task.ts";
import type { Per } from "../definition/traits.ts";
import { publishSpawned } from "../group/publish_spawned.ts";
import { openKeeper } from "../keeper/keeper.ts";
import type { Lease } from "../lease/lease.ts";
import { type LimitSource, openLocks } from "../locks/locks.ts";
import { waitForLocks } from "../locks/wait_for_locks.ts";
import { maxPayloadBytes } from "../publish/publisher.ts";
import { ABORT_GRACE_MS, type DepsInput, RunningAttempt } from "../run/attempt.ts";
import type { LineSink } from "../run/run_lines.ts";
import { headersFrom, TRACEPARENT } from "../format/headers.ts";
import { type OwnHeaders, traceIdIn } from "../format/own_headers.ts";
import { streamLedger } from "../run/stream_ledger.ts";
import { checkLedger } from "./check_ledger.ts";

/** A task that is called by hand passes its limiters, and takes no quota. */
const NO_LIMITS: LimitSource = { limitOf: () => undefined, onChange() {} };

/** What is called, and with what. `payload` may be left out where the task's schema accepts `{}`. */
export type CallOptions<Transaction, Deps, Input extends JsonObject = JsonObject, P extends Per = Per> = PayloadOption<
  NoInfer<Input>
> & {
  readonly broker: Broker;
  readonly nats: NatsAccess;
  readonly task: TaskOver<Deps> & PublishableTask<Input, P>;
  readonly vo?: string | undefined;
  /** What is in force: it may give the task another timeout. Default: the definition alone counts. */
  readonly configuration?: Configuration;
  /** Required by a task whose effect is `once`. */
  readonly ledger?: Ledger<Transaction>;
  /** Makes what the task may call. */
  deps?(input: DepsInput<Transaction>): Deps;
  /** Runs around the run and around each child that it spawns, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** Returns the highest fencing token in the database. */
  readonly highestFence?: () => Promise<number>;
  readonly lockTtlMs?: number;
  /** Its abort ends the wait for locks, and aborts the task. */
  readonly signal?: AbortSignal;
  /** Called with the task's id before anything waits. By it the call can be cancelled from elsewhere. */
  onId?(taskId: string): void;
};

/** What came of a call. */
export interface Called {
  readonly taskId: string;
  readonly result: Json;
  /** Ids of the children, which have been published. */
  readonly spawned: readonly string[];
}

/** The task as the configuration has it for `vo`. A timeout that the database would cut short is told, and changes nothing. */
function inForce<Task extends AnyTask>(
  task: Task,
  vo: string,
  { configuration, broker, ledger }: InForceOptions,
): Task {
  if (configuration === undefined) return task;
  const { timeoutMs } = createTasksInForce({
    configuration: () => configuration,
    longestMs: ledger?.transactionTimeoutMs,
    onUnusable: (found) => broker.observer.alarm(describeUnusable(found), { task: found.task, vo: found.vo }),
  }).of(task, vo);
  return { ...task, timeoutMs };
}

interface InForceOptions {
  readonly broker: Broker;
  readonly configuration?: Configuration;
  readonly ledger?: Pick<Ledger<never>, "transactionTimeoutMs">;
}

/** A signal that aborts with `signal`, and with a {@linkcode CancelledError} when the task is cancelled. */
function followEnds(
  cancellations: Cancellations,
  taskId: string,
  signal: AbortSignal | undefined,
): { readonly signal: AbortSignal } & Disposable {
  const cancelled = new AbortController();
  const stop = cancellations.onNews(() => {
    const cancellation = cancellations.find(taskId, undefined);
    if (cancellation !== undefined) cancelled.abort(new CancelledError(cancellation));
  });
  const both = signal === undefined ? cancelled.signal : AbortSignal.any([signal, cancelled.signal]);
  return { signal: both, [Symbol.dispose]: stop };
}

/**
 * Runs one task in this process, with its real locks, transaction and ledger row, and returns its result. It makes one attempt and no
 * retry. It passes limiters, priorities and pauses.
 *
 * It can be cancelled by its id, as any task: its signal aborts, and its row says so. Where `signal` aborts, it has no outcome.
 *
 * Throws the task's own error, `PayloadRefusedError` or `InvalidNameError`, and `CancelledError`. Throws the cause where the run ends without an
 * outcome, and `TypeError` where the ledger does not fit the task.
 */
export async function callTask<
  Transaction = undefined,
  Deps = NoDeps,
  Input extends JsonObject = JsonObject,
  P extends Per = Per,
>(options: CallOptions<Transaction, Deps, Input, P>): Promise<Called> {
  const { broker, nats, highestFence, lockTtlMs, onId } = options;
  const vo = voFor(options.task, options.vo);
  const task = inForce(options.task, vo, options);
  const { payload: sent, parsed: payload } = await checkedPayload(task, options.payload, maxPayloadBytes(broker));
  const ledger = ledgerFor(task, broker, options.ledger as Ledger<unknown> | undefined);
  const taskId = `call-${randomUUID()}`;
  await using keeper = await openKeeper({ access: nats, name: `${taskId} keeper`, observer: broker.observer });
  await using cancellations = await openCancellations(broker);
  await using locks = await openLocks({
    broker,
    keeper,
    worker: taskId,
    limits: NO_LIMITS,
    ...(lockTtlMs === undefined ? {} : { ttlMs: lockTtlMs }),
    ...(highestFence === undefined ? {} : { highestFence }),
  });
  using ends = followEnds(cancellations, taskId, options.signal);
  onId?.(taskId);
  const called = { broker, task, vo, payload, sent, taskId, ledger, cancellations };
  let leases: readonly Lease[] = [];
  const span = broker.observer.tracing?.begin({ kind: "process", task: task.name, vo, taskId, attempt: 1 });
  const trace = span?.headers;
  try {
    const wanted = task.locks(payload as never, vo);
    const holdMs = task.timeoutMs + ABORT_GRACE_MS;
    if (wanted.length > 0) leases = await waitForLocks(locks, { wanted, taskId, holdMs, signal: ends.signal });
    const run = () => runHere({ ...options, ...called, leases, trace, signal: ends.signal });
    const row = await (span === undefined ? run() : span.within(run));
    await publishSpawned(broker, taskId, row.spawned);
    if (row.spawned.length > 0) await ledger.markPublished(taskId);
    await cancellations.noteEnded(taskId, row.outcome === "retry" ? "done" : row.outcome);
    return {
      taskId,
      result: row.result,
      spawned: row.spawned.flatMap(({ taskId: id, callback }) => (callback === undefined ? [id] : [])),
    };
  } catch (error) {
    span?.end(error);
    if (error instanceof CancelledError) await recordCancelled(called, error);
    throw error;
  } finally {
    span?.end();
    await Promise.all(leases.map((lease) => lease.release()));
  }
}

function ledgerFor(task: AnyTask, broker: Broker, given: Ledger<unknown> | undefined): Ledger<unknown> {
  checkLedger([task], given);
  return task.effect === "once" && given !== undefined ? given : streamLedger(broker);
}

/** A call under way. */
interface OneCall {
  readonly broker: Broker;
  readonly task: TaskOver<never>;
  readonly vo: string;
  /** The payload as the task's schema returned it. */
  readonly payload: unknown;
  readonly sent: JsonObject;
  readonly taskId: string;
  readonly ledger: Ledger<unknown>;
  readonly cancellations: Cancellations;
}

function tell({ broker, taskId, task, vo }: OneCall, step: StepName, more: { tookMs?: number; reason?: string }): void {
  publishEvent(broker, taskId, { step, task: task.name, vo, taskId, attempt: 1, ...more });
}

/** Records that the call was cancelled, and tells the one who cancelled it. Its transaction was rolled back. */
async function recordCancelled(call: OneCall, { cancellation }: CancelledError): Promise<void> {
  const { task, vo, taskId, sent, ledger, cancellations } = call;
  const reason = describeCancellation(cancellation);
  const row = {
    taskId,
    task: task.name,
    vo,
    payloadHash: payloadHash(sent),
    attempt: 1,
    outcome: "cancelled",
  } as const;
  await ledger.record({ ...row, result: null, spawned: [], dueAt: null, errors: [reason] });
  await cancellations.noteEnded(taskId, "cancelled");
  tell(call, "cancelled", { reason });
}

interface Here extends OneCall {
  readonly leases: readonly Lease[];
  /** The headers of its span; undefined: traces are off. */
  readonly trace: OwnHeaders | undefined;
  readonly signal: AbortSignal;
  readonly middleware?: readonly Middleware[];
  deps?(input: DepsInput<never>): unknown;
}

/** Where the lines of a called task go. */
function linesOfCall({ broker, task, vo, taskId, trace }: Here): LineSink {
  const traceId = traceIdIn(trace?.[TRACEPARENT]);
  const about = { task: task.name, vo, taskId, attempt: 1, ...(traceId === undefined ? {} : { traceId }) };
  return {
    write: (line) => broker.observer.line?.({ ...about, ...line }),
    tell: (level, text) => sendLine(broker, taskId, { ...about, level, text }),
  };
}

async function runHere(here: Here): Promise<OutcomeRow> {
  const { broker, task, vo, payload, sent, taskId, ledger, leases, signal, deps } = here;
  const started = performance.now();
  const running = new RunningAttempt({
    definition: task,
    payload,
    sent,
    vo,
    taskId,
    attempt: 1,
    leases,
    errors: [],
    ledger,
    deps: (input) => deps?.(input as DepsInput<never>),
    maxPayloadBytes: maxPayloadBytes(broker),
    middleware: joinMiddleware(here.middleware),
    lines: () => linesOfCall(here),
    headers: here.trace === undefined ? undefined : headersFrom(here.trace),
  });
  const abort = () =>
    running.abort(signal.reason instanceof Error ? signal.reason : new Error("the call was interrupted"));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    const end = await running.ended;
    if (end.kind !== "done" && end.kind !== "earlier") throw end.error;
    tell(here, "done", { tookMs: performance.now() - started });
    return end.row;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
