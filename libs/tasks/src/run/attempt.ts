import { AsyncLocalStorage } from "node:async_hooks";
import type { MsgHdrs } from "@nats-io/nats-core";
import { CancelledError } from "../cancel/cancellation.ts";
import { withPublisher } from "../definition/ambient.ts";
import type { ChildGroup } from "../definition/group.ts";
import type { JoinedMiddleware, TaskRun } from "../definition/middleware.ts";
import { ownHeadersOf } from "../format/own_headers.ts";
import type { JsonObject } from "../definition/json.ts";
import type { AnyTask, HeldLease, Run } from "../definition/task.ts";
import type { OutcomeRow, Ledger, LedgerTransaction } from "../definition/ledger.ts";
import { Children } from "./children.ts";
import { claimOf, ownLeasesOf } from "./claim.ts";
import { doneRow } from "./done_row.ts";
import type { FailedOutcome } from "./fail.ts";
import type { Listed } from "./roster.ts";
import {
  type ThreadAnswer,
  ThreadDiedError,
  type ThreadOrder,
  type ThreadRun,
  type Threads,
  ThreadUnusableError,
} from "./thread_order.ts";
import { type Progress, progressFrom, type ProgressReports } from "../result/progress.ts";
import { createRunLines, lazyLog, type LineSink, type RunLines } from "./run_lines.ts";

/** Longest time that a task may go on after its signal has aborted, ms. After that it is given up as stuck. */
export const ABORT_GRACE_MS = 5_000;
/** Largest number of transactions of one attempt, where PostgreSQL ends each of them in favour of others. */
const MAX_CONFLICTS = 10;

/** The parts of a lease that an attempt needs. */
export interface AttemptLease extends HeldLease {
  readonly holder: string;
  /** How the database fences its runs; absent: by a token of its own. Readers of a read-write lock share one. A limiter has none. */
  readonly fence?: "own" | "shared" | "none";
  /** Aborts with the reason when the lease is lost. */
  readonly signal: AbortSignal;
  /** Throws when the lease may have run out. It also throws in a process that was frozen until a moment ago. */
  checkDeadline(): void;
}

/** The values from which a task's dependencies may be built. */
export interface DepsInput<Transaction> {
  /** Returns the run's transaction, which the first call begins. */
  transaction(): Promise<Transaction>;
  /** The task's name. */
  readonly task: string;
  readonly taskId: string;
  readonly vo: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** The task ran longer than its definition allows. */
export class TaskTimeoutError extends Error {
  override readonly name = "TaskTimeoutError";
  readonly timeoutMs: number;
  constructor(task: string, timeoutMs: number) {
    super(
      `Cannot finish ${task} within its timeout of ${timeoutMs} ms; raise timeoutMs, or make it stop at its signal`,
    );
    this.timeoutMs = timeoutMs;
  }
}

/** The worker is being stopped, and the task was still running at the drain's deadline. Its message goes back. */
export class DrainedError extends Error {
  override readonly name = "DrainedError";
}

/** The task's VO was removed while it ran. The run has no effect. Its message goes back, and the sweep puts it away. */
export class VoRemovedError extends Error {
  override readonly name = "VoRemovedError";
  readonly vo: string;
  constructor(vo: string) {
    super(`Cannot finish a task of VO ${vo}: the VO was removed; add it again, and publish the task anew`);
    this.vo = vo;
  }
}

/** The values from which one attempt is made. */
export interface AttemptInput<Transaction> {
  readonly definition: AnyTask;
  readonly payload: unknown;
  /** The payload as it was sent. The ledger keeps its hash. */
  readonly sent: JsonObject;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** The headers of its message. */
  readonly headers?: MsgHdrs | undefined;
  /** The group whose callback the task is. */
  readonly group?: ChildGroup | undefined;
  /** In the order of the definition's locks. Those of limiters from the settings follow, and the task does not see them. */
  readonly leases: readonly AttemptLease[];
  /** Errors of the attempts before this one. */
  readonly errors: readonly string[];
  readonly ledger: Ledger<Transaction>;
  deps(input: DepsInput<Transaction>): unknown;
  /** Largest payload of a child, bytes of JSON. */
  readonly maxPayloadBytes: number;
  /** Where the run reports how far it has come; absent: nowhere. */
  readonly progress?: Pick<ProgressReports, "report">;
  /** Makes where the run's lines go. Called once, at the first line. Absent: nowhere. */
  lines?(): LineSink;
  /** Runs around `execute` and around the spawning of children; absent: nothing does. In a thread the thread's own do. */
  readonly middleware?: JoinedMiddleware;
  /** The threads in one of which `execute` runs; absent: it runs in this one. */
  readonly threads?: Threads | undefined;
  /** What the run is told of the time; default: this machine's clock. */
  now?(): Date;
}

export type AttemptEnd =
  /** This attempt has recorded the row. */
  | { readonly kind: "done"; readonly row: OutcomeRow }
  /** Another run's row stands for this id. */
  | { readonly kind: "earlier"; readonly row: OutcomeRow }
  /**
   * The task failed. `isDoubtful`: a table or a right was missing, which may not be the task's fault. `decided`: what its retry policy has
   * said already.
   */
  | {
      readonly kind: "failed";
      readonly error: unknown;
      readonly isDoubtful: boolean;
      readonly decided?: FailedOutcome | undefined;
    }
  /** The task was cancelled while it ran. Its transaction was rolled back. */
  | { readonly kind: "cancelled"; readonly error: CancelledError }
  /** The run has no outcome. Nothing is recorded, and no attempt is used up. */
  | { readonly kind: "abandoned"; readonly error: unknown };

/** An attempt under way. It runs `execute` under a timeout, an abort signal and a fenced transaction, and commits the outcome. */
export class RunningAttempt implements Listed {
  place: number | undefined = undefined;
  readonly startedAtMs = performance.now();
  readonly ended: Promise<AttemptEnd>;
  readonly #input: AttemptInput<unknown>;
  readonly #aborted = new AbortController();
  /** Set while one transaction is under way. */
  #opened: LedgerTransaction<unknown> | undefined;
  /** Timer that starts at the abort. */
  #grace: NodeJS.Timeout | undefined;
  /** Ends the wait for an `execute` that ignores the abort. */
  #giveUp: (() => void) | undefined;
  #stuck = false;
  /** Made at the run's first line. */
  #lines: RunLines | undefined;

  constructor(input: AttemptInput<unknown>) {
    this.#input = input;
    this.ended = this.#run();
  }

  get vo(): string {
    return this.#input.vo;
  }

  get taskId(): string {
    return this.#input.taskId;
  }

  get headers(): MsgHdrs | undefined {
    return this.#input.headers;
  }

  /**
   * Aborts the task's signal. A {@linkcode TaskTimeoutError} makes the run a failure, and a {@linkcode CancelledError} a cancelled one. Any
   * other reason abandons it.
   */
  abort(reason: unknown): void {
    this.#aborted.abort(reason);
    this.#grace ??= setTimeout(() => this.#giveUp?.(), ABORT_GRACE_MS);
  }

  /** Keeps an open idle transaction alive. */
  async keepAwake(): Promise<void> {
    await this.#opened?.keepAwake();
  }

  /** Whether the task ignored its signal, so that its code may still be running. Final once `ended` has settled. */
  isStuck(): boolean {
    return this.#stuck;
  }

  async #run(): Promise<AttemptEnd> {
    const { definition, leases } = this.#input;
    const timer = setTimeout(
      () => this.abort(new TaskTimeoutError(definition.name, definition.timeoutMs)),
      definition.timeoutMs,
    );
    const loseAny = () => this.abort(leases.find((lease) => lease.signal.aborted)?.signal.reason);
    for (const lease of leases) lease.signal.addEventListener("abort", loseAny, { once: true });
    if (leases.some((lease) => lease.signal.aborted)) loseAny();
    try {
      for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
        const end = await this.#once();
        if (end !== "again") return end;
      }
      const error = new Error(
        `Cannot commit ${definition.name}: the database ended its transaction ${MAX_CONFLICTS} times`,
      );
      return { kind: "failed", error, isDoubtful: false };
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#grace);
      this.#lines?.end();
      for (const lease of leases) lease.signal.removeEventListener("abort", loseAny);
    }
  }

  /** Runs one transaction from its opening to its end. Returns `again` where the database ended it in favour of others. */
  async #once(): Promise<AttemptEnd | "again"> {
    const { ledger, leases } = this.#input;
    const opened = ledger.open(claimOf(this.#input));
    this.#opened = opened;
    let away: ThreadRun | undefined;
    try {
      away = this.#input.threads?.begin(this.#order(opened));
      const { taskId, vo, headers, maxPayloadBytes, middleware } = this.#input;
      const children = new Children({ taskId, vo, headers, maxPayloadBytes, aroundPublish: middleware?.publish });
      const answer = await (away === undefined ? this.#execute(children) : this.#untilGivenUp(away.answer));
      if (answer === "stuck") {
        // The thread of a task can be ended. The thread of all others cannot.
        this.#stuck = away === undefined || !(await away.end());
        await opened.destroy();
        return endOfAbort(this.#aborted.signal.reason);
      }
      this.#aborted.signal.throwIfAborted();
      const sealed = answer.spawned ?? children.seal();
      const spawned = sealed instanceof Promise ? await sealed : sealed;
      const row = doneRow(this.#input, answer.result, spawned);
      for (const lease of leases) lease.checkDeadline();
      const committed = await opened.commit(row);
      if (committed.kind === "unknown") return { kind: "abandoned", error: committed.cause };
      return { kind: committed.kind === "committed" ? "done" : "earlier", row: committed.row };
    } catch (error) {
      await opened.rollback();
      return this.#endOfError(error, opened, away?.decided);
    } finally {
      this.#opened = undefined;
    }
  }

  #endOfError(
    error: unknown,
    opened: LedgerTransaction<unknown>,
    decided: FailedOutcome | undefined,
  ): AttemptEnd | "again" {
    const { ledger, leases } = this.#input;
    if (this.#aborted.signal.aborted) return endOfAbort(this.#aborted.signal.reason);
    const gone = opened.gone();
    if (gone !== undefined) return { kind: "abandoned", error: gone };
    if (leases.some((lease) => lease.signal.aborted)) return { kind: "abandoned", error };
    if (error instanceof ThreadDiedError || error instanceof ThreadUnusableError) return { kind: "abandoned", error };
    const meaning = ledger.classify(error);
    if (meaning === "again") return "again";
    if (meaning === "gone") return { kind: "abandoned", error };
    return { kind: "failed", error, isDoubtful: meaning === "doubtful" || opened.isDoubtful?.() === true, decided };
  }

  async #transaction(): Promise<unknown> {
    this.#aborted.signal.throwIfAborted();
    for (const lease of this.#input.leases) lease.checkDeadline();
    if (this.#opened === undefined) {
      throw new Error(
        `Cannot open a transaction for ${this.#input.definition.name}: its run is over; await all that execute begins`,
      );
    }
    return this.#opened.transaction();
  }

  /** A run that is over reports nothing, also where its code goes on. */
  #report(progress: Progress | undefined): void {
    const { taskId, attempt, definition } = this.#input;
    if (progress === undefined || this.#opened === undefined) return;
    this.#input.progress?.report({ taskId, attempt, longestMs: definition.timeoutMs + ABORT_GRACE_MS }, progress);
  }

  get #log(): RunLines {
    this.#lines ??= createRunLines(this.#input.lines?.() ?? NO_SINK);
    return this.#lines;
  }

  /** What a thread needs to run this task. */
  #order(opened: LedgerTransaction<unknown>): ThreadOrder {
    const { definition, sent, vo, taskId, attempt, headers, leases, group, maxPayloadBytes } = this.#input;
    // What the thread asks for belongs to this run, also in whatever follows runs by their asynchronous context.
    const inContext = AsyncLocalStorage.snapshot();
    return {
      ...{ definition, sent, vo, taskId, attempt, headers, group, maxPayloadBytes },
      leases: ownLeasesOf(leases),
      signal: this.#aborted.signal,
      begin: () => inContext(() => this.#transaction()),
      async serve(question) {
        if (opened.serve === undefined)
          throw new TypeError(
            `Cannot use the transaction of ${definition.name} in a thread: its ledger does not serve threads`,
          );
        return await inContext(() => opened.serve?.(question));
      },
      report: (progress) => this.#report(progress),
      line: (level, message, fields) => this.#log[level](message, fields),
    };
  }

  /** Races the answer of a thread against the grace period after the abort. Returns `stuck` when the task ignores its signal. */
  #untilGivenUp(answer: Promise<ThreadAnswer>): Promise<ThreadAnswer | "stuck"> {
    return new Promise((resolve, reject) => {
      const giveUp = () => resolve("stuck");
      this.#giveUp = giveUp;
      answer.then(resolve, reject);
    });
  }

  /** This run as a middleware sees it. */
  #seen(run: Run<unknown, unknown>): TaskRun {
    const { definition, payload, vo, taskId, attempt, headers } = this.#input;
    const { signal } = this.#aborted;
    return {
      task: definition.name,
      payload,
      vo,
      taskId,
      attempt,
      signal,
      headers: ownHeadersOf(headers),
      log: run.log,
    };
  }

  /** Runs `execute`, and races it against a grace period after the abort. Returns `stuck` when it ignores its signal. */
  #execute(children: Children): Promise<Answer | "stuck"> {
    const { definition, payload, vo, taskId, attempt, leases } = this.#input;
    const { signal } = this.#aborted;
    const log = () => this.#log;
    const run: Run<unknown, unknown> = {
      deps: this.#input.deps({
        transaction: () => this.#transaction(),
        ...{ task: definition.name, taskId, vo, attempt, signal },
      }),
      payload,
      vo,
      taskId,
      attempt,
      leases: ownLeasesOf(leases),
      signal,
      now: () => this.#input.now?.() ?? new Date(),
      log: lazyLog(log),
      progress: (done, total, note) => this.#report(progressFrom(done, total, note)),
      group: this.#input.group,
      spawn: (task, childPayload, options) => children.spawn(task, childPayload, options),
      spawnGroup: (members, options) => children.spawnGroup(members, options, run.now().getTime()),
    };
    const execute = async () => (definition as ExecutableTask).execute(run);
    const around = this.#input.middleware?.run;
    const work = around === undefined ? execute : () => around(this.#seen(run), execute);
    const execution = withPublisher(children, work);
    return new Promise((resolve, reject) => {
      // V8 makes a function that is written straight to a property in its old space, where it keeps the whole run alive until that is
      // cleared. With a thousand tasks at a time this cost a third of their rate. A constant in between avoids it.
      const giveUp = () => resolve("stuck");
      this.#giveUp = giveUp;
      execution.then((result) => resolve({ result }), reject);
    });
  }
}

/** Takes the lines of a run that nobody listens to. */
const NO_SINK: LineSink = { write() {}, tell() {} };

/** What `execute` returned. `spawned` is given where it ran in a thread, which has checked both. */
interface Answer {
  readonly result: unknown;
  readonly spawned?: ThreadAnswer["spawned"];
}

/** A task without the types of its payload and deps, which `AnyTask` hides. `startWorker` has checked the type of its deps. */
interface ExecutableTask {
  execute(run: Run<unknown, unknown>): unknown;
}

function endOfAbort(reason: unknown): AttemptEnd {
  if (reason instanceof TaskTimeoutError) return { kind: "failed", error: reason, isDoubtful: false };
  if (reason instanceof CancelledError) return { kind: "cancelled", error: reason };
  return { kind: "abandoned", error: reason };
}
