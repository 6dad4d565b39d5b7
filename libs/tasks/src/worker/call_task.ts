// Tested by tests/src/worker/call_test.ts
import { randomUUID } from "node:crypto";
import type { NatsAccess } from "../access/nats_access.ts";
import type { Json, JsonObject } from "../definition/json.ts";
import type { AnyTask, NoDeps } from "../definition/task.ts";
import type { OutcomeRow, Ledger } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { openKeeper } from "../keeper/keeper.ts";
import type { Lease } from "../locks/lease.ts";
import { type LimitSource, openLocks } from "../locks/locks.ts";
import { waitForLocks } from "../locks/wait_for_locks.ts";
import { checkedPayload, voFor } from "../definition/prepare.ts";
import { maxPayloadBytes } from "../publish/publisher.ts";
import type { Broker } from "../broker/broker.ts";
import { publishSpawned } from "../group/publish_spawned.ts";
import { publishEvent, sendLine } from "../broker/events.ts";
import { ABORT_GRACE_MS, type DepsInput, RunningAttempt } from "../run/attempt.ts";
import type { LineSink } from "../run/run_lines.ts";
import { checkLedger } from "./check_ledger.ts";
import type { TaskOver } from "./start_worker.ts";
import { streamLedger } from "../run/stream_ledger.ts";

/** A task that is called by hand passes its limiters, and takes no quota. */
const NO_LIMITS: LimitSource = { limitOf: () => undefined, onChange() {} };

/** What is called, and with what. */
export interface CallOptions<Transaction, Deps> {
  readonly broker: Broker;
  readonly nats: NatsAccess;
  readonly task: TaskOver<Deps>;
  readonly vo?: string | undefined;
  readonly payload?: JsonObject;
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
}

/** What came of a call. */
export interface Called {
  readonly taskId: string;
  readonly result: Json;
  /** Ids of the children, which have been published. */
  readonly spawned: readonly string[];
}

/**
 * Runs one task in this process, with its real locks, transaction and ledger row, and returns its result. It makes one attempt and no
 * retry.
 *
 * Throws the task's own error, `PayloadRefusedError` or `InvalidNameError`. Throws the cause where the run ends without an outcome, and
 * `TypeError` where the ledger does not fit the task.
 */
export async function callTask<Transaction = undefined, Deps = NoDeps>(
  options: CallOptions<Transaction, Deps>,
): Promise<Called> {
  const { broker, nats, task, highestFence, lockTtlMs, signal } = options;
  const vo = voFor(task, options.vo);
  const { payload: sent, parsed: payload } = await checkedPayload(task, options.payload, maxPayloadBytes(broker));
  const ledger = ledgerFor(task, broker, options.ledger as Ledger<unknown> | undefined);
  const taskId = `call-${randomUUID()}`;
  await using keeper = await openKeeper({ access: nats, name: `${taskId} keeper`, observer: broker.observer });
  await using locks = await openLocks({
    broker,
    keeper,
    worker: taskId,
    limits: NO_LIMITS,
    ...(lockTtlMs === undefined ? {} : { ttlMs: lockTtlMs }),
    ...(highestFence === undefined ? {} : { highestFence }),
  });
  const wanted = task.locks(payload as never, vo);
  const leases =
    wanted.length === 0
      ? []
      : await waitForLocks(locks, { wanted, taskId, holdMs: task.timeoutMs + ABORT_GRACE_MS, signal });
  try {
    const row = await runHere({ ...options, vo, payload, sent, taskId, ledger, leases });
    await publishSpawned(broker, taskId, row.spawned);
    if (row.spawned.length > 0) await ledger.markPublished(taskId);
    return {
      taskId,
      result: row.result,
      spawned: row.spawned.flatMap(({ taskId: id, callback }) => (callback === undefined ? [id] : [])),
    };
  } finally {
    await Promise.all(leases.map((lease) => lease.release()));
  }
}

function ledgerFor(task: AnyTask, broker: Broker, given: Ledger<unknown> | undefined): Ledger<unknown> {
  checkLedger([task], given);
  return task.effect === "once" && given !== undefined ? given : streamLedger(broker);
}

interface Here {
  readonly broker: Broker;
  readonly task: TaskOver<never>;
  readonly vo: string;
  /** The payload as the task's schema returned it. */
  readonly payload: unknown;
  readonly sent: JsonObject;
  readonly taskId: string;
  readonly ledger: Ledger<unknown>;
  readonly leases: readonly Lease[];
  readonly signal?: AbortSignal;
  readonly middleware?: readonly Middleware[];
  deps?(input: DepsInput<never>): unknown;
}

/** Where the lines of a called task go. */
function linesOfCall({ broker, task, vo, taskId }: Here): LineSink {
  const about = { task: task.name, vo, taskId, attempt: 1 };
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
  });
  const abort = () =>
    running.abort(signal?.reason instanceof Error ? signal.reason : new Error("the call was interrupted"));
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    const end = await running.ended;
    if (end.kind !== "done" && end.kind !== "earlier") throw end.error;
    publishEvent(broker, taskId, {
      step: "done",
      task: task.name,
      vo,
      taskId,
      attempt: 1,
      tookMs: performance.now() - started,
    });
    return end.row;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
