import type { MsgHdrs } from "@nats-io/nats-core";
import type { LineLevel } from "../connection/observer.ts";
import type { ChildGroup } from "../definition/group.ts";
import type { Json, JsonObject } from "../definition/json.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { AnyTask, HeldLease } from "../definition/task.ts";
import type { Progress } from "../result/progress.ts";
import type { FailedOutcome } from "./fail.ts";

/** A run whose `execute` is to happen in a thread of its own. The transaction, the leases and the outcome stay in this thread. */
export interface ThreadOrder {
  readonly definition: AnyTask;
  /** The payload as it was sent. The thread reads it by the task's schema, since what a schema returns may not cross a thread. */
  readonly sent: JsonObject;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  /** The headers of its message. */
  readonly headers: MsgHdrs | undefined;
  readonly leases: readonly HeldLease[];
  readonly group: ChildGroup | undefined;
  /** Largest payload of a child, bytes of JSON. */
  readonly maxPayloadBytes: number;
  /** Aborts the run. Its reason crosses the thread. */
  readonly signal: AbortSignal;
  /** Begins the transaction, if it has not begun. */
  begin(): Promise<unknown>;
  /** See `LedgerTransaction.serve`. */
  serve(question: unknown): Promise<unknown>;
  report(progress: Progress): void;
  /** Writes a line of the run. */
  line(level: LineLevel, message: string, fields: object): void;
}

/** What `execute` returned in a thread, as JSON, and the children that it spawned. */
export interface ThreadAnswer {
  readonly result: Json;
  readonly spawned: readonly SpawnedTask[];
}

/** A run under way in a thread. */
export interface ThreadRun {
  /** Rejects with what the task threw, and with {@linkcode ThreadDiedError} and {@linkcode ThreadUnusableError}. */
  readonly answer: Promise<ThreadAnswer>;
  /**
   * What the task's own retry policy said of the error with which `answer` rejects. It was asked in the thread, where the error has its class.
   * Undefined: ask the policy that is in force here.
   */
  readonly decided: FailedOutcome | undefined;
  /** Ends the thread and with it the task's code. Returns whether that has surely ended. Never throws. */
  end(): Promise<boolean>;
}

/** The threads in which a worker lets tasks run. */
export interface Threads {
  /** Begins a run as soon as a thread is free. */
  begin(order: ThreadOrder): ThreadRun;
}

/** The thread of a run has ended in the middle of it. The task has killed it, and the process goes on. */
export class ThreadDiedError extends Error {
  override readonly name = "ThreadDiedError";
  readonly task: string;
  /** Why the thread ended, as `exit code 7`. */
  readonly reason: string;
  constructor(task: string, reason: string, cause?: unknown) {
    super(`Cannot finish ${task}: it has ended its thread (${reason}); let it return or throw, and use less memory`, {
      cause,
    });
    this.task = task;
    this.reason = reason;
  }
}

/** No thread can run the task: its module cannot be loaded, or does not serve the task. The run is abandoned. */
export class ThreadUnusableError extends Error {
  override readonly name = "ThreadUnusableError";
  readonly task: string;
  constructor(task: string, problem: string, cause?: unknown) {
    super(`Cannot run ${task} in a thread: ${problem}`, { cause });
    this.task = task;
  }
}
