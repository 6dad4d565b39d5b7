// Tested by tests/src/worker/drain_test.ts
// Tested by tests/src/worker/ours_test.ts
import type { Span } from "../connection/tracing.ts";
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
import { isLimiterKey, limitName } from "../tally/tally.ts";
import { Crowds } from "./crowds.ts";
import { LockWaits } from "./lock_waits.ts";
import type { WorkerParts } from "./worker_parts.ts";

/** Time beyond its timeout for which a task gets heartbeats, ms, since it may be buffered before it runs. */
const BUFFERED_MS = 30_000;

function whyContended(by: string): string {
  return isLimiterKey(by) ? `limit ${limitName(by)} is reached` : `lock ${by} is held`;
}

/** A task in hand and its place in line for its locks. */
export interface InHand extends Listed, Buffered {
  readonly received: ReceivedTask;
  readonly waiter: Waiter;
  /** When it first had to wait for a lock, by `performance.now()`. Written and read by the worker, and read by `LockWaits`. */
  waitsSinceMs: number | undefined;
  /** Its span, from its first start until it leaves this worker's hand; undefined: traces are off, or it has not begun. */
  span: Span | undefined;
  /** Timer that ends its wait for a lock, wherever it stands in line. Only `LockWaits` writes and reads it. */
  waitLimit: NodeJS.Timeout | undefined;
}

export interface HandOptions {
  readonly parts: Pick<WorkerParts, "broker" | "keeper" | "locks">;
  readonly context: SettleContext;
  readonly policy: Policy<InHand>;
  /** Announces hand-backs to other workers, and says what a task's definition is now. */
  source(): Pick<TaskSource, "announceHandBack" | "definitionOf">;
  /** Whether this worker begins nothing, so that tasks which have not begun go to other workers. */
  isClosed(): boolean;
  /** Whether no task of it is to begin. */
  isPaused(task: string, vo: string): boolean;
  /** Called when something may be started. */
  onReady(): void;
}

/** The tasks in hand that have no permit: those that have just arrived, those in the policy's buffer, and those that wait for a lock. */
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

  /** Number of tasks that have arrived and are not in the buffer yet. */
  get arrived(): number {
    return this.#arrived.length;
  }

  /** Number of tasks that wait for a lock. */
  get waiting(): number {
    return this.#waits.size;
  }

  /** A message has come. */
  take(task: ReceivedTask): void {
    this.#arrived.push(task);
    this.#options.onReady();
  }

  /** Moves arrived tasks into the buffer. Heartbeats for all messages of one network read begin before the first of them runs. */
  admit(): void {
    if (this.#arrived.length === 0) return;
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const task of arrived) this.#holdFor(task, task.definition.timeoutMs);
    this.#options.parts.keeper.hold(arrived);
    const isClosed = this.#options.isClosed();
    let isAnyBack = false;
    for (const received of arrived) {
      const task = this.#inHand(received);
      if (isClosed || this.isPaused(received)) {
        this.giveBack(task);
        isAnyBack = true;
      } else this.#options.policy.buffer.add(task);
    }
    if (isAnyBack) this.announce();
  }

  /** Hands back at once a task that has arrived and does not run here, and wakes others so that they need not wait for their survey. */
  refuse(received: ReceivedTask): void {
    this.hold(received, 0);
    this.giveBack(this.#inHand(received));
    this.announce();
  }

  /** Sends heartbeats for a task for `ms`, and beyond that for its time in the buffer and its grace after an abort. */
  hold(received: ReceivedTask, ms: number): void {
    this.#holdFor(received, ms);
    this.#options.parts.keeper.hold([received]);
  }

  /** Lets a task wait for the lock `by`, which another holds. */
  wait(task: InHand, by: string): void {
    const { received } = task;
    // It was in nobody's list while its locks were asked for, so a review may have missed it.
    this.redefine(received);
    const { lockWaitMs, timeoutMs } = received.definition;
    if (this.#options.isClosed() || this.isPaused(received)) {
      this.giveBack(task);
      this.announce();
    } else if (this.#waits.begin(task) === "waits") {
      this.hold(received, lockWaitMs + timeoutMs);
      tell(this.#options.context, byId(received), { step: "contended", reason: whyContended(by) });
      // It may have been cancelled while its locks were asked for.
      if (this.#isCancelled(received)) this.#resume(task);
    } else {
      this.crowd(task, by);
    }
  }

  /** Lets cancelled tasks that wait for locks begin, which ends them. */
  resumeCancelled(): void {
    for (const task of [...this.#waits]) if (this.#isCancelled(task.received)) this.#resume(task);
  }

  /** Sends back a task for which there is no place to wait for the lock `by`. It comes back when a place may be free. */
  crowd(task: InHand, by: string): void {
    const { isClosed, policy } = this.#options;
    this.giveBack(task, isClosed() ? 0 : this.#crowds.delayMs(by, policy.rate.perMs(performance.now())));
  }

  giveBack(task: InHand, delayMs = 0): void {
    const { received, waiter } = task;
    const { parts, context } = this.#options;
    this.#waits.end(task);
    task.span?.end();
    parts.locks.forget(waiter);
    handBack(context, byId(received), delayMs);
    parts.keeper.letGo(received);
    if (delayMs === 0) this.#handBacks.add(received);
  }

  /** Hands back all tasks that have not begun. Those that have just arrived follow in `admit`. */
  giveAllBack(): void {
    const take = () => this.#options.policy.withdraw();
    for (let task = take(); task !== undefined; task = take()) this.giveBack(task);
    for (const task of [...this.#waits]) this.giveBack(task);
  }

  /**
   * Takes over what the configuration and the pauses say now of tasks that have not begun. Paused ones are handed back. Those that have just
   * arrived follow in `admit`.
   */
  review(): void {
    const out = this.#options.policy.buffer.sift((task) => {
      this.redefine(task.received);
      return this.isPaused(task.received);
    });
    for (const task of out) this.giveBack(task);
    for (const task of [...this.#waits]) {
      this.redefine(task.received);
      if (this.isPaused(task.received)) this.giveBack(task);
    }
    for (const received of this.#arrived) this.redefine(received);
    this.announce();
  }

  /** Whether no task of its name, its VO or both is to begin. */
  isPaused({ definition, vo }: ReceivedTask): boolean {
    return this.#options.isPaused(definition.name, vo);
  }

  /** Gives a task that has not begun the definition that it has now. */
  redefine(received: ReceivedTask): void {
    received.definition = this.#options.source().definitionOf(received.subject) ?? received.definition;
  }

  /** Adds a task that its own run has handed back to the next announcement. */
  noteHandedBack(received: ReceivedTask): void {
    this.#handBacks.add(received);
  }

  /** Tells other workers which tasks were handed back. */
  announce(): void {
    void this.announced();
  }

  /** Does the same, and settles when they have been told. */
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
      waiter: { resume: () => this.#resume(task), keys: undefined, kept: undefined },
      waitsSinceMs: undefined,
      waitLimit: undefined,
      span: undefined,
    };
    return task;
  }

  #isCancelled(received: ReceivedTask): boolean {
    return this.#options.context.cancellations.find(byId(received).taskId, received.headers) !== undefined;
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
