import { randomUUID } from "node:crypto";
import { type CancelledError, describeCancellation } from "../cancel/cancellation.ts";
import type { JsonObject } from "../definition/json.ts";
import type { Ledger, OutcomeRow } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { migratePayload } from "../definition/migrate.ts";
import { headersFrom, TRACEPARENT } from "../format/headers.ts";
import { type OwnHeaders, traceIdIn } from "../format/own_headers.ts";
import { checkPayload, PayloadRefusedError, readPayload } from "../definition/payload.ts";
import type { Given, PayloadOption, VoOption } from "../definition/publishable.ts";
import type { AnyTask, EffectKind, TaskDefinition } from "../definition/task.ts";
import type { Per } from "../definition/traits.ts";
import { checkTaskId } from "../format/delivery.ts";
import { payloadBytesIn, voFor } from "../definition/prepare.ts";
import { type AttemptEnd, type DepsInput, RunningAttempt } from "../run/attempt.ts";
import type { Progress } from "../result/progress.ts";
import { decide, type FailedOutcome, failedRow } from "../run/fail.ts";
import { checkIsOurs, covers } from "../run/identify.ts";
import { checkLedger } from "../worker/check_ledger.ts";
import type { Lock } from "../definition/lock_type.ts";
import type { TestClock } from "./clock.ts";
import { givenDeps, type MissingDepError } from "./given_deps.ts";
import { memoryLedger } from "./memory_ledger.ts";
import type { LoggedLine, OutcomeKind, TaskOutcome } from "./outcome.ts";
import { playGroup, type PlayedGroup } from "./played_group.ts";
import { playLease } from "./played_lease.ts";

/** What a test builds a task's `deps` from: what a worker gives, and a log that the test reads. */
export interface TestDepsInput<Transaction> extends DepsInput<Transaction> {
  /** Adds a line to the outcome's `logged`. */
  log(message: string, fields?: object): void;
}

/** What a task is sent: its payload, or the body of the message as any NATS client may send it, which may be no JSON. */
export type SentOption<Input> =
  | { readonly payload?: never; readonly body: string }
  | (PayloadOption<Input> & { readonly body?: never });

/** How one attempt is run. */
export interface AttemptOptions {
  /** The version of `body`, for a task that migrates older payloads. Default: the task's own. */
  readonly payloadVersion?: number;
  /** Headers of the publisher's own, such as `traceparent`. Default: none. */
  readonly headers?: OwnHeaders;
  /** Runs around the run and around each child that it spawns, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
  /** Default: a random one. */
  readonly taskId?: string;
  /** 1 first. Default: the one after what the ledger knows of this id, and 1 where it knows nothing. */
  readonly attempt?: number;
  /** What the run's `now()` and the due time of its retry come from. Default: this machine's clock. */
  readonly clock?: TestClock;
  /** The ends of the children, for a task that is the callback of a group. */
  readonly group?: PlayedGroup;
  /** Aborts the run, which is abandoned with the signal's reason as when a worker drains. With a `CancelledError` it is cancelled. */
  readonly signal?: AbortSignal;
}

/** Where a run writes, and what it may call. */
interface RunParts<Deps, Transaction> {
  /** Where a task whose effect is `once` writes; a task that is at least once has none. Default: a {@linkcode memoryLedger} of its own. */
  readonly ledger?: Ledger<Transaction>;
  /** Builds the task's `deps`, as a worker's does; what the task does not use may be left out. Default: none. */
  deps?(input: TestDepsInput<Transaction>): Partial<Deps>;
}

/** `vo` is required by a task that is per VO, and `payload`, or a `body`, by one whose schema does not accept the empty object. */
export type RunTaskOptions<
  Input extends JsonObject = JsonObject,
  Deps = unknown,
  Transaction = unknown,
  P extends Per = Per,
> = AttemptOptions & RunParts<Deps, Transaction> & VoOption<P> & SentOption<Input>;

/** A run with all that it needs. */
interface Prepared {
  readonly task: AnyTask;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly errors: readonly string[];
  readonly ledger: Ledger<unknown>;
  readonly body: Uint8Array;
  readonly options: RunTaskOptions;
  readonly now: () => Date;
}

interface Ended {
  readonly kind: OutcomeKind;
  readonly row?: OutcomeRow | undefined;
  readonly error?: unknown;
  readonly logged?: readonly LoggedLine[];
  readonly progress?: readonly Progress[];
  readonly locks?: readonly string[];
}

function outcomeOf({ task, vo, taskId, attempt }: Prepared, ended: Ended): TaskOutcome {
  const { kind, row, error, logged = [], progress = [], locks = [] } = ended;
  const spawned = kind === "done" ? (row?.spawned ?? []) : [];
  return {
    ...{ kind, task: task.name, vo, taskId, attempt, error, spawned, logged, progress, locks, row },
    result: kind === "done" ? row?.result : undefined,
    dueAt: kind === "retry" && row?.dueAt != null ? new Date(row.dueAt) : undefined,
    scheduled: spawned.filter(({ startAt }) => startAt !== undefined),
  };
}

/** What a retry policy makes of a failure, recorded. */
async function fail(prepared: Prepared, sent: JsonObject, error: unknown): Promise<Ended> {
  const { task, attempt, now } = prepared;
  return await record(prepared, sent, { end: decide(task.retry, { error, attempt }, now().getTime()), error });
}

/** The row of an end without an effect, or the row that stands in its place. */
async function record(
  { task, attempt, ledger, body, vo, taskId, errors }: Prepared,
  sent: JsonObject,
  { end, error }: { readonly end: FailedOutcome; readonly error: unknown },
): Promise<Ended> {
  const received = { definition: task, vo, headers: undefined, body };
  const row = await ledger.record(failedRow({ received, taskId, attempt, sent, errors }, end));
  checkIsOurs(row, { received, taskId, sent });
  const isOurs = row.attempt === attempt && row.outcome === end.outcome;
  return { kind: isOurs ? end.outcome : "duplicate", row, error };
}

function cancelledBy({ cancellation }: CancelledError): FailedOutcome {
  return { outcome: "cancelled", dueAt: null, error: describeCancellation(cancellation) };
}

/** As a worker does: what looks like a missing table is the database's fault where its check says so. */
async function isDatabaseToBlame({ ledger }: Prepared, end: AttemptEnd): Promise<boolean> {
  if (end.kind !== "failed" || !end.isDoubtful) return false;
  return await Promise.resolve(ledger.check?.()).then(
    () => false,
    () => true,
  );
}

async function conclude(prepared: Prepared, sent: JsonObject, end: AttemptEnd): Promise<Ended> {
  switch (end.kind) {
    case "done":
      return { kind: "done", row: end.row };
    case "earlier":
      checkIsOurs(end.row, { received: { definition: prepared.task, vo: prepared.vo }, taskId: prepared.taskId, sent });
      return { kind: "duplicate", row: end.row };
    case "failed":
      if (await isDatabaseToBlame(prepared, end)) return { kind: "abandoned", error: end.error };
      return await fail(prepared, sent, end.error);
    case "cancelled":
      return await record(prepared, sent, { end: cancelledBy(end.error), error: end.error });
    case "abandoned":
      return { kind: "abandoned", error: end.error };
  }
}

/** The attempt itself, by the code that a worker runs. Throws a {@linkcode MissingDepError}, also where the task has swallowed it. */
async function execute(prepared: Prepared, sent: JsonObject, payload: unknown): Promise<Ended> {
  const { task, vo, taskId, attempt, errors, ledger, options, now } = prepared;
  const logged: LoggedLine[] = [];
  const progress: Progress[] = [];
  const log = (message: string, fields: object = {}) =>
    void logged.push({ level: "info", message, fields: { ...fields } });
  const traceId = traceIdIn(options.headers?.[TRACEPARENT]);
  const trace = traceId === undefined ? {} : { traceId };
  let wanted: readonly Lock[];
  try {
    wanted = task.locks(payload as never, vo);
  } catch (error) {
    return await fail(prepared, sent, error);
  }
  const locks = wanted.map(({ key }) => key);
  let missing: MissingDepError | undefined;
  const running = new RunningAttempt({
    ...{ definition: task, payload, sent, vo, taskId, attempt, errors, ledger, now },
    group: options.group && playGroup(options.group),
    leases: wanted.map(playLease),
    deps: (input) =>
      givenDeps(task.name, options.deps === undefined ? {} : options.deps({ ...input, log }), (error) => {
        missing ??= error;
      }),
    maxPayloadBytes: payloadBytesIn(),
    middleware: joinMiddleware(options.middleware),
    headers: options.headers === undefined ? undefined : headersFrom(options.headers),
    lines: () => ({
      write: ({ level, message, fields }) =>
        void logged.push({ level, message, fields: { ...fields, task: task.name, taskId, vo, attempt, ...trace } }),
      tell() {},
    }),
    progress: { report: (_run, told) => void progress.push(told) },
  });
  const { signal } = options;
  const abort = () => running.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    const end = await running.ended;
    if (missing !== undefined) throw missing;
    return { ...(await conclude(prepared, sent, end)), logged, progress, locks };
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** What a run in memory knows of the runs before it, where no ledger does. */
export interface History {
  readonly attempt?: number | undefined;
  readonly errors?: readonly string[];
}

/** {@linkcode runTask} after earlier attempts. */
export async function runAttempt(
  task: AnyTask,
  options: RunTaskOptions,
  { attempt = options.attempt, errors = [] }: History = {},
): Promise<TaskOutcome> {
  const vo = voFor(task, options.vo);
  const taskId = checkTaskId(options.taskId ?? `test-${randomUUID()}`);
  const isOnce = task.effect === "once";
  const ledger = isOnce && options.ledger !== undefined ? options.ledger : memoryLedger<unknown>();
  checkLedger([task], ledger);
  const body = Buffer.from(options.body ?? JSON.stringify(options.payload ?? {}));
  const now = () => options.clock?.now() ?? new Date();
  const first: Prepared = { task, vo, taskId, attempt: attempt ?? 1, errors, ledger, body, options, now };
  let sent: JsonObject;
  let payload: unknown;
  try {
    sent = readPayload(task.name, body);
    payload = await checkPayload(task, migratePayload(task, sent, options.payloadVersion ?? task.payloadVersion));
  } catch (error) {
    if (error instanceof PayloadRefusedError) return outcomeOf(first, { kind: "refused", error });
    throw error;
  }
  const row = isOnce ? await ledger.recall(taskId) : undefined;
  if (row === undefined) return outcomeOf(first, await execute(first, sent, payload));
  checkIsOurs(row, { received: { definition: task, vo }, taskId, sent });
  const asked = { ...first, attempt: attempt ?? row.attempt + 1 };
  if (covers(row, asked.attempt)) return outcomeOf(asked, { kind: "duplicate", row });
  const next = { ...asked, attempt: row.attempt + 1, errors: row.errors };
  return outcomeOf(next, await execute(next, sent, payload));
}

/**
 * Runs one attempt of one task in this process, by the code that a worker runs it with, and returns how it ended.
 *
 * The payload is checked by its schema, the keys of the locks are computed, `execute` has its transaction, children are checked and collected,
 * and the retry policy is asked. No NATS is needed: nobody else wants the locks, and children are not published. With a `ledger` the run has a
 * real transaction and leaves its row. A task's timeout is real time.
 *
 * The run's fencing tokens are above those of a real lock bucket. So do not let a worker, or `callTask`, take the same locks on the same database
 * afterwards: the database refuses its tokens, as it must.
 *
 * Throws what is a mistake of the test: {@linkcode MissingDepError} where the task uses what `deps` lacks, `InvalidNameError`, `TypeError` where
 * the ledger does not fit the task, and what a ledger throws that cannot answer. What the task throws is in the outcome.
 *
 * ```ts
 * const outcome = await runTask(GreetTask, { payload: { name: "world" } });
 * assertDone(outcome);
 * ```
 */
export async function runTask<Input extends JsonObject, Payload, Deps, Result, P extends Per, Transaction = undefined>(
  task: TaskDefinition<Input, Payload, Deps, Result, EffectKind, P>,
  ...[options]: Given<RunTaskOptions<NoInfer<Input>, NoInfer<Deps>, Transaction, NoInfer<P>>>
): Promise<TaskOutcome> {
  return await runAttempt(task, (options ?? {}) as RunTaskOptions);
}
