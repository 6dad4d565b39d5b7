// Tested by tests/src/thread/threads_test.ts
import { availableParallelism } from "node:os";
import type { Observer } from "../connection/observer.ts";
import type { Json } from "../definition/json.ts";
import type { AnyTask } from "../definition/task.ts";
import {
  ThreadDiedError,
  type ThreadOrder,
  type ThreadRun,
  type Threads,
  ThreadUnusableError,
} from "../run/thread_order.ts";
import type { RunInThread } from "./run_in_thread.ts";
import { TaskThread } from "./task_thread.ts";

/** Time after which a thread without a run is ended, ms. */
const IDLE_MS = 60_000;

/** The threads in which a worker runs its medium and large tasks. */
export interface ThreadOptions {
  /**
   * URL of the module that each thread loads, as `new URL("./thread.ts", import.meta.url)`. It calls `serveTasks` of
   * `@muster/tasks/thread`, with all tasks that are to run in threads.
   */
  readonly module: URL | string;
  /** Most threads, and so the most medium and large tasks at a time; default: one for each processor. */
  readonly count?: number;
  /** What `threadData` returns in the module. It is copied, so only JSON crosses. Default: null. */
  readonly data?: Json;
  /** Largest heap of a thread, MB. A task that needs more ends its thread, and the process goes on. Default: as the process has it. */
  readonly heapMb?: number;
  /** Time after which a thread without a task is ended, ms; default 60,000. */
  readonly idleMs?: number;
}

/** Numbers of threads, for people. */
export interface ThreadCounts {
  /** Most threads. */
  readonly limit: number;
  /** Threads that there are. A thread is started when a task needs it. */
  readonly started: number;
  /** Threads that run a task. */
  readonly busy: number;
}

interface PoolOptions extends ThreadOptions {
  /** The tasks as their code defines them. */
  readonly tasks: readonly AnyTask[];
  readonly observer: Pick<Observer, "alarm">;
}

/** Throws `RangeError` for a number of threads that cannot be. */
function checkedCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= 1_000) return count;
  throw new RangeError(`Cannot start a worker with ${count} threads: give a whole number from 1 to 1,000`);
}

/** Throws `TypeError` for what is no URL. */
function checkedModule(module: URL | string): string {
  const text = String(module);
  if (URL.canParse(text)) return text;
  throw new TypeError(
    `Cannot start a worker: the module of its threads is ${JSON.stringify(text)}; give a URL, as new URL("./thread.ts", import.meta.url)`,
  );
}

/**
 * Threads that are started when tasks need them, and ended when none has for a while. A thread that its task has killed, or that was ended, is
 * not missed: the next run starts another one.
 */
export class ThreadPool implements Threads, AsyncDisposable {
  /** Most threads. */
  readonly limit: number;
  readonly #options: PoolOptions;
  readonly #module: string;
  /** Those that have not ended, the one that was used last behind all others. */
  readonly #threads = new Set<TaskThread>();
  /** What ends each free thread at its time. */
  readonly #idle = new Map<TaskThread, NodeJS.Timeout>();
  /** Runs that wait for a free thread, the oldest first. */
  readonly #line: ((thread: TaskThread | undefined) => void)[] = [];
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.limit = checkedCount(options.count ?? availableParallelism());
    this.#module = checkedModule(options.module);
  }

  counts(): ThreadCounts {
    let busy = 0;
    for (const thread of this.#threads) if (!thread.isFree) busy++;
    return { limit: this.limit, started: this.#threads.size, busy };
  }

  begin(order: ThreadOrder): ThreadRun {
    let thread: TaskThread | undefined;
    let run: RunInThread | undefined;
    let isGivenUp = false;
    const goOn = async () => {
      thread = await this.#free();
      if (thread === undefined) throw new ThreadUnusableError(order.definition.name, "the worker has ended");
      if (isGivenUp) {
        this.#noteFree(thread);
        throw order.signal.reason;
      }
      run = thread.begin(order, this.#asksPolicy(order.definition));
      return await run.answer;
    };
    const answer = goOn().catch((error: unknown) => {
      this.#tell(error);
      throw error;
    });
    // After the abort's grace period nobody may await it any more.
    answer.catch(() => undefined);
    return {
      answer,
      get decided() {
        return run?.decided;
      },
      async end() {
        isGivenUp = true;
        return thread === undefined || (await thread.end());
      },
    };
  }

  /** Ends all threads. Those of tasks that still run are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    for (const wait of this.#line.splice(0)) wait(undefined);
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  /** Returns a thread for one run, as soon as there is one; undefined: the pool is closed. */
  async #free(): Promise<TaskThread | undefined> {
    if (this.#isClosed) return undefined;
    // The thread that was used last is the warmest, and the others end by themselves.
    const last = [...this.#idle.keys()].at(-1);
    if (last !== undefined) return this.#take(last);
    if (this.#threads.size < this.limit) return this.#start();
    return await new Promise((resolve) => this.#line.push(resolve));
  }

  #start(): TaskThread {
    const { data = null, heapMb } = this.#options;
    const thread: TaskThread = new TaskThread({
      module: this.#module,
      start: { of: "muster tasks", data },
      heapMb,
      onFree: () => this.#noteFree(thread),
    });
    this.#threads.add(thread);
    return thread;
  }

  #take(thread: TaskThread): TaskThread {
    clearTimeout(this.#idle.get(thread));
    this.#idle.delete(thread);
    return thread;
  }

  /** A thread has no run any more, or has ended. */
  #noteFree(thread: TaskThread): void {
    if (thread.hasEnded) {
      this.#take(thread);
      this.#threads.delete(thread);
      if (this.#line.length > 0) this.#line.shift()?.(this.#start());
      return;
    }
    const next = this.#line.shift();
    if (next !== undefined) {
      next(thread);
      return;
    }
    const { idleMs = IDLE_MS } = this.#options;
    this.#idle.set(thread, setTimeout(() => void this.#endIdle(thread), idleMs).unref());
  }

  async #endIdle(thread: TaskThread): Promise<void> {
    this.#take(thread);
    await thread.end();
  }

  /** Whether the policy of the task's code is in force. Else the configuration's is asked in this thread. */
  #asksPolicy({ name, retry }: AnyTask): boolean {
    return this.#options.tasks.some((task) => task.name === name && task.retry === retry);
  }

  #tell(error: unknown): void {
    const isOfThread = error instanceof ThreadUnusableError || error instanceof ThreadDiedError;
    if (isOfThread && !this.#isClosed) this.#options.observer.alarm(error.message, { task: error.task });
  }
}
