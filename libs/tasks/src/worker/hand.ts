// Tested by tests/src/worker/drain_test.ts
// Tested by tests/src/worker/ours_test.ts
import type { Waiter } from "../locks/waiting_room.ts";
import type { Buffered } from "../policy/buffer.ts";
import type { Policy } from "../policy/policy.ts";
import { HandBacks } from "../pull/hand_backs.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import type { TaskSource } from "../pull/task_source.ts";
import { ABORT_GRACE_MS } from "../run/attempt.ts";
import { byId } from "../run/identify.ts";
import type { Listed } from "../run/roster.ts";
import { handBack, type SettleContext, tell } from "../run/settle.ts";
import { Crowds } from "./crowds.ts";
import { LockWaits } from "./lock_waits.ts";
import type { WorkerParts } from "./worker_parts.ts";

/** Heartbeats of a buffered task go on this long beyond its timeout, ms. */
const BUFFERED_MS = 30_000;

/** A task in hand and its place in line for its locks. */
export interface InHand extends Listed, Buffered {
  readonly received: ReceivedTask;
  readonly waiter: Waiter;
  /** When it first had to wait for a lock, by `performance.now()`. */
  waitsSinceMs: number | undefined;
  /** Ends its wait for a lock, wherever it stands in line. */
  waitLimit: NodeJS.Timeout | undefined;
}

export interface HandOptions {
  readonly parts: Pick<WorkerParts, "broker" | "keeper" | "locks">;
  readonly context: SettleContext;
  readonly policy: Policy<InHand>;
  /** Whom hand-backs are announced by. */
  source(): Pick<TaskSource, "announceHandBack">;
  /** Whether what has not begun is for others. */
  isClosed(): boolean;
  /** Something may be started. */
  onReady(): void;
}

/** The tasks in hand that have no permit: those that have just come, those in the policy's buffer, and those that wait for a lock. */
export class Hand {
  readonly #options: HandOptions;
  readonly #handBacks: HandBacks;
  readonly #waits: LockWaits;
  readonly #crowds = new Crowds();
  #arrived: ReceivedTask[] = [];

  constructor(options: HandOptions) {
    this.#options = options;
    this.#handBacks = new HandBacks(options.parts.broker);
    this.#waits = new LockWaits(options.parts.locks, (task) => this.#resume(task));
  }

  /** Tasks that have come and are not in the buffer yet. */
  get arrived(): number {
    return this.#arrived.length;
  }

  /** Tasks that wait for a lock. */
  get waiting(): number {
    return this.#waits.size;
  }

  /** A message has come. */
  take(task: ReceivedTask): void {
    this.#arrived.push(task);
    this.#options.onReady();
  }

  /** Puts what has come into the buffer. Messages of one network read are held under heartbeat together, before the first of them runs. */
  admit(): void {
    if (this.#arrived.length === 0) return;
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const task of arrived) this.#holdFor(task, task.definition.timeoutMs);
    this.#options.parts.keeper.hold(arrived);
    const isClosed = this.#options.isClosed();
    for (const received of arrived) {
      const task = this.#inHand(received);
      if (isClosed) this.giveBack(task);
      else this.#options.policy.buffer.add(task);
    }
    if (isClosed) this.announce();
  }

  /** Hands back at once what has come: nothing comes of it here, and others need not wait for the survey to hear of it. */
  refuse(received: ReceivedTask): void {
    this.hold(received, 0);
    this.giveBack(this.#inHand(received));
    this.announce();
  }

  /** Keeps a task under heartbeat for so long: it may be buffered besides, and may use its grace after an abort. */
  hold(received: ReceivedTask, ms: number): void {
    this.#holdFor(received, ms);
    this.#options.parts.keeper.hold([received]);
  }

  /** Lets a task wait for the lock `by`, which another holds. */
  wait(task: InHand, by: string): void {
    const { received } = task;
    const { lockWaitMs, timeoutMs } = received.definition;
    if (this.#options.isClosed()) {
      this.giveBack(task);
      this.announce();
    } else if (this.#waits.begin(task) === "waits") {
      this.hold(received, lockWaitMs + timeoutMs);
      tell(this.#options.context, byId(received), { step: "contended", reason: `lock ${by} is held` });
    } else {
      this.crowd(task, by);
    }
  }

  /** There is no place to wait for the lock `by`: the task comes back when it may have one. */
  crowd(task: InHand, by: string): void {
    const { isClosed, policy } = this.#options;
    this.giveBack(task, isClosed() ? 0 : this.#crowds.delayMs(by, policy.rate.perMs(performance.now())));
  }

  giveBack(task: InHand, delayMs = 0): void {
    const { received, waiter } = task;
    const { parts, context } = this.#options;
    this.#waits.end(task);
    parts.locks.forget(waiter);
    handBack(context, byId(received), delayMs);
    parts.keeper.letGo(received);
    if (delayMs === 0) this.#handBacks.add(received);
  }

  /** Hands back whatever has not begun, but for what has just come. */
  giveAllBack(): void {
    const take = () => this.#options.policy.withdraw();
    for (let task = take(); task !== undefined; task = take()) this.giveBack(task);
    for (const task of [...this.#waits]) this.giveBack(task);
  }

  /** Adds what its own run has handed back to what is announced next. */
  noteHandedBack(received: ReceivedTask): void {
    this.#handBacks.add(received);
  }

  /** Tells others of what was handed back. */
  announce(): void {
    void this.announced();
  }

  /** Settles when others have been told of what was handed back. */
  async announced(): Promise<void> {
    await this.#handBacks.announce(this.#options.source());
  }

  /** Waits until the broker has what was sent; see {@linkcode HandBacks}. */
  async flush(): Promise<void> {
    await this.#handBacks.flush();
  }

  #inHand(received: ReceivedTask): InHand {
    const task: InHand = {
      received,
      place: undefined,
      waiter: { resume: () => this.#resume(task), keys: undefined },
      waitsSinceMs: undefined,
      waitLimit: undefined,
    };
    return task;
  }

  #resume(task: InHand): void {
    if (!this.#waits.end(task)) return;
    this.#options.policy.buffer.resume(task);
    this.#options.onReady();
  }

  #holdFor(task: ReceivedTask, ms: number): void {
    task.untilMs = performance.now() + ms + ABORT_GRACE_MS + BUFFERED_MS;
  }
}
