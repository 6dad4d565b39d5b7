// Tested by tests/src/thread/threads_test.ts
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type ThreadOrder, ThreadDiedError, ThreadUnusableError } from "../run/thread_order.ts";
import { flagsForThreads } from "./flags.ts";
import { RunInThread } from "./run_in_thread.ts";
import type { FromTaskThread, ThreadStart, ToTaskThread } from "./thread_messages.ts";

/** Longest wait for the end of a thread whose code is cut off, ms. Code inside a call of the system ends after that call. */
const END_MS = 5_000;

/** How a thread is started. */
export interface TaskThreadOptions {
  readonly module: string;
  readonly start: ThreadStart;
  /** Largest heap, MB; undefined: as the process has it. */
  readonly heapMb: number | undefined;
  /** Called when its run has ended, and when the thread has. */
  onFree(thread: TaskThread): void;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/**
 * A thread that runs tasks, one at a time.
 *
 * States:
 *   starting  Its module is being loaded. A run may have been given to it.
 *   idle      It has no run.
 *   running   It has one.
 *   ended     It has exited.
 *
 * Transitions:
 *   starting -> idle, running  its module has called `serveTasks`
 *   idle -> running            `begin`
 *   running -> idle            the run has returned or thrown
 *   any -> ended               `end`, or its code has ended it
 */
export class TaskThread {
  readonly #options: TaskThreadOptions;
  readonly #thread: Worker;
  readonly #exited = Promise.withResolvers<void>();
  /** The tasks that its module serves; undefined while it starts. */
  #tasks: ReadonlySet<string> | undefined;
  #running: RunInThread | undefined;
  #runs = 0;
  /** Why it has ended, where it has told. */
  #failure: unknown;
  #hasEnded = false;

  constructor(options: TaskThreadOptions) {
    this.#options = options;
    const { module, start, heapMb } = options;
    this.#thread = new Worker(new URL(module), {
      name: "muster task",
      workerData: start,
      execArgv: flagsForThreads(process.execArgv),
      ...(heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapMb } }),
    });
    this.#thread.on("message", (message: FromTaskThread) => this.#hear(message));
    this.#thread.on("error", (error) => {
      this.#failure = error;
    });
    this.#thread.on("exit", (code) => this.#exit(code));
    // A thread alone must not keep a process alive. Its worker's connection does.
    this.#thread.unref();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether it can be given a run. */
  get isFree(): boolean {
    return !this.#hasEnded && this.#running === undefined;
  }

  /** Runs a task. Call it only while it is free. */
  begin(order: ThreadOrder, asksPolicy: boolean): RunInThread {
    const run = new RunInThread({
      number: ++this.#runs,
      ...{ order, asksPolicy },
      tell: (message: ToTaskThread) => this.#thread.postMessage(message),
    });
    this.#running = run;
    if (this.#tasks !== undefined) this.#start(run, this.#tasks);
    return run;
  }

  /** Ends it, whatever its code does. Returns whether it has ended. Never throws. */
  async end(): Promise<boolean> {
    if (this.#hasEnded) return true;
    void this.#thread.terminate();
    await Promise.race([this.#exited.promise, pause(END_MS, undefined, { ref: false })]);
    return this.#hasEnded;
  }

  #start(run: RunInThread, tasks: ReadonlySet<string>): void {
    if (tasks.has(run.task)) {
      run.start();
      return;
    }
    const { module } = this.#options;
    const served = tasks.size === 0 ? "no task" : `only ${[...tasks].join(", ")}`;
    this.#free();
    run.fail(new ThreadUnusableError(run.task, `${module} serves ${served}; give the task to its serveTasks as well`));
  }

  #hear(message: FromTaskThread): void {
    if (message.kind === "ready") {
      this.#tasks = new Set(message.tasks);
      if (this.#running !== undefined) this.#start(this.#running, this.#tasks);
    } else if (this.#running?.hear(message)) this.#free();
  }

  #free(): void {
    this.#running = undefined;
    this.#options.onFree(this);
  }

  #exit(code: number): void {
    this.#hasEnded = true;
    this.#exited.resolve();
    const run = this.#running;
    const reason = this.#failure === undefined ? `exit code ${code}` : messageOf(this.#failure);
    this.#free();
    if (run === undefined) return;
    const error =
      this.#tasks === undefined
        ? new ThreadUnusableError(run.task, `${this.#options.module} did not start (${reason})`, this.#failure)
        : new ThreadDiedError(run.task, reason, this.#failure);
    run.fail(error);
  }
}
