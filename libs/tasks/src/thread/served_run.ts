// Tested by tests/src/thread/threads_test.ts
import type { MsgHdrs } from "@nats-io/nats-core";
import type { LineLevel } from "../connection/observer.ts";
import { withPublisher } from "../definition/ambient.ts";
import type { ChildGroup } from "../definition/group.ts";
import type { ThreadLedger, ThreadTransaction } from "../definition/ledger.ts";
import type { JoinedMiddleware } from "../definition/middleware.ts";
import { migratePayload } from "../definition/migrate.ts";
import { checkPayload } from "../definition/payload.ts";
import type { AnyTask, Run } from "../definition/task.ts";
import { headersFrom } from "../format/headers.ts";
import { progressFrom } from "../result/progress.ts";
import type { DepsInput } from "../run/attempt.ts";
import { Children } from "../run/children.ts";
import { checkedResult } from "../run/done_row.ts";
import { decide } from "../run/fail.ts";
import { arrive, cross, crossAll } from "./crossing_error.ts";
import type { Answers, CrossedRun, FromTaskThread, Question, ToTaskThread } from "./thread_messages.ts";

/** What a run in this thread is made of. */
interface ServedRunOptions {
  readonly definition: AnyTask;
  readonly run: CrossedRun;
  readonly ledger: ThreadLedger<unknown> | undefined;
  readonly middleware: JoinedMiddleware;
  deps(input: DepsInput<unknown>): unknown;
  /** Sends to the worker's own thread. */
  tell(message: FromTaskThread): void;
}

/** A task without the types of its payload and deps, which `AnyTask` hides. `serveTasks` has checked the type of its deps. */
interface ExecutableTask {
  execute(run: Run<unknown, unknown>): unknown;
}

/** Number of the newest question of this thread. A late answer to a former run's question must not be taken for one to the present run's. */
let questions = 0;

type Answer = Extract<ToTaskThread, { readonly kind: "answer" | "refusal" }>;

/** A run of a task in this thread. It begins at once, and tells the worker's own thread how it ended. */
export class ServedRun {
  readonly #options: ServedRunOptions;
  readonly #aborted = new AbortController();
  readonly #children: Children;
  readonly #headers: MsgHdrs;
  readonly #transaction: ThreadTransaction<unknown> | undefined;
  /** What waits for an answer of the worker's own thread, by the question's number. */
  readonly #asking = new Map<number, PromiseWithResolvers<unknown>>();
  #walks = 0;
  #isOver = false;

  constructor(options: ServedRunOptions) {
    this.#options = options;
    const { run, middleware, ledger } = options;
    const { taskId, vo, maxPayloadBytes } = run;
    this.#headers = headersFrom(run.headers);
    const headers = this.#headers;
    this.#children = new Children({ taskId, vo, headers, maxPayloadBytes, aroundPublish: middleware.publish });
    this.#transaction = ledger?.open((asked) => this.#ask({ of: "ledger", asked }));
    void this.#go();
  }

  /** Aborts the run, if it is this one. */
  abort(number: number, reason: unknown): void {
    if (number === this.#options.run.number) this.#aborted.abort(reason);
  }

  /** Takes the answer to a question of this run. Those to questions of former runs are dropped. */
  answered(message: Answer): void {
    const asking = this.#asking.get(message.question);
    if (asking === undefined) return;
    this.#asking.delete(message.question);
    if (message.kind === "answer") asking.resolve(message.answer);
    else asking.reject(arrive(message.error));
  }

  async #go(): Promise<void> {
    const { definition, run, tell } = this.#options;
    const { number, attempt, asksPolicy } = run;
    try {
      const result = checkedResult(definition.name, await this.#execute());
      const spawned = await this.#children.seal();
      await this.#transaction?.flush();
      tell({ kind: "returned", number, result, spawned });
    } catch (error) {
      const decided = asksPolicy ? decide(definition.retry, { error, attempt }) : undefined;
      tell({ kind: "threw", number, error: cross(error), ...(decided && { decided }) });
    } finally {
      this.#isOver = true;
    }
  }

  async #execute(): Promise<unknown> {
    const { definition, middleware } = this.#options;
    const { task, sent, payloadVersion, vo, taskId, attempt, headers } = this.#options.run;
    const { signal } = this.#aborted;
    const payload = await checkPayload(definition, migratePayload(definition, sent, payloadVersion));
    const run = this.#seenBy(payload);
    const execute = async () => (definition as ExecutableTask).execute(run);
    const around = middleware.run;
    const seen = { task, payload, vo, taskId, attempt, signal, headers, log: run.log };
    return await withPublisher(this.#children, around === undefined ? execute : () => around(seen, execute));
  }

  /** What the task is given. */
  #seenBy(payload: unknown): Run<unknown, unknown> {
    const { task, vo, taskId, attempt, leases } = this.#options.run;
    const { signal } = this.#aborted;
    const children = this.#children;
    return {
      deps: this.#options.deps({ transaction: () => this.#begin(), task, taskId, vo, attempt, signal }),
      ...{ payload, vo, taskId, attempt, leases, signal },
      log: {
        debug: (message, fields) => this.#line("debug", message, fields),
        info: (message, fields) => this.#line("info", message, fields),
        warn: (message, fields) => this.#line("warn", message, fields),
        error: (message, fields) => this.#line("error", message, fields),
      },
      now: () => new Date(),
      progress: (done, total, note) => this.#report(done, total, note),
      group: this.#group(),
      spawn: (child, childPayload, options) => children.spawn(child, childPayload, options),
      spawnGroup: (members, options) => children.spawnGroup(members, options, Date.now()),
    };
  }

  async #begin(): Promise<unknown> {
    const { definition } = this.#options;
    this.#aborted.signal.throwIfAborted();
    if (this.#isOver) {
      throw new Error(
        `Cannot open a transaction for ${definition.name}: its run is over; await all that execute begins`,
      );
    }
    if (definition.effect === "once" && this.#transaction === undefined) {
      throw new TypeError(
        `Cannot open a transaction for ${definition.name} in a thread: its module has no ledger; give serveTasks openThreadLedger({ tables })`,
      );
    }
    await this.#ask({ of: "begin" });
    return await this.#transaction?.transaction();
  }

  /** A run that is over reports nothing, also where its code goes on. */
  #report(done: number, total: number, note: string | undefined): void {
    const progress = progressFrom(done, total, note);
    const { tell, run } = this.#options;
    if (progress !== undefined && !this.#isOver) tell({ kind: "progress", number: run.number, progress });
  }

  #line(level: LineLevel, message: string, fields: object = {}): void {
    const { tell, run } = this.#options;
    if (!this.#isOver)
      tell({ kind: "line", number: run.number, level, message: String(message), fields: crossAll(fields) });
  }

  #group(): ChildGroup | undefined {
    const { group } = this.#options.run;
    if (group === undefined) return undefined;
    const next = (walk: number) => this.#ask({ of: "children", walk });
    const nextWalk = () => ++this.#walks;
    return {
      ...group,
      child: (key) => this.#ask({ of: "child", key }),
      async *children() {
        const walk = nextWalk();
        for (let ends = await next(walk); ends.length > 0; ends = await next(walk)) yield* ends;
      },
    };
  }

  async #ask<Of extends Question["of"]>(asked: Extract<Question, { readonly of: Of }>): Promise<Answers[Of]> {
    const question = ++questions;
    const asking = Promise.withResolvers<unknown>();
    this.#options.tell({ kind: "ask", number: this.#options.run.number, question, asked });
    this.#asking.set(question, asking);
    return (await asking.promise) as Answers[Of];
  }
}
