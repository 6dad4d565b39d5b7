import { maxPayloadBytes } from "../publish/publisher.ts";
import { ABORT_GRACE_MS, type RunningAttempt } from "../run/attempt.ts";
import { checkLedger } from "./check_ledger.ts";
import { Crowds } from "./crowds.ts";
import { Buffer, type InHand } from "./hand.ts";
import { HandBacks } from "../pull/hand_backs.ts";
import { byId } from "../run/identify.ts";
import { LaneSource } from "../pull/lane_source.ts";
import { Environment } from "../run/environment.ts";
import { startCounts } from "../run/poison.ts";
import { Rate } from "./rate.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { Roster } from "../run/roster.ts";
import { type RunContext, runTask } from "../run/run_task.ts";
import { Running } from "./running.ts";
import { handBack, tell } from "../run/settle.ts";
import { Solitude } from "./solitude.ts";
import { streamLedger } from "../run/stream_ledger.ts";
import type { WorkerHealth, WorkerParts } from "./worker_parts.ts";
import { MAX_LOST_PERMITS, WorkerSpentError } from "./worker_spent.ts";

/** Heartbeats of a buffered task go on this long beyond its timeout, ms. */
const BUFFERED_MS = 30_000;
/** A broker that has not answered for this long makes the worker unready, ms. */
const SILENT_MS = 15_000;

/** Sets until when a task is under heartbeat: it may be buffered, and may use its grace after an abort. */
function holdFor(task: ReceivedTask, ms: number): void {
  task.untilMs = performance.now() + ms + ABORT_GRACE_MS + BUFFERED_MS;
}

function aloneNote({ received }: InHand, aloneMs: number): string {
  const howLong = Number.isFinite(aloneMs) ? `for its first ${aloneMs / 1_000} s` : "to its end";
  return `${received.definition.name} ${byId(received).taskId} runs alone ${howLong}: earlier runs of it began and did not end`;
}

/**
 * Pulls tasks and runs them, never more in hand than permits, a small prefetch and the bounded waiting room.
 *
 * States: running -> draining (no pulls; buffer and waiting room handed back; running tasks until the deadline) -> ended.
 */
export class Worker {
  /** Settles when drained; rejects with {@linkcode WorkerSpentError} when the process must be restarted. */
  readonly ended: Promise<void>;
  readonly #parts: WorkerParts;
  readonly #context: RunContext;
  readonly #source: LaneSource;
  readonly #buffer = new Buffer();
  readonly #waiting = new Roster<InHand>();
  readonly #running: Running;
  readonly #rate = new Rate();
  readonly #crowds = new Crowds();
  readonly #end = Promise.withResolvers<void>();
  readonly #lost: string[] = [];
  readonly #handBacks: HandBacks;
  readonly #solitude: Solitude;
  readonly #environment: Environment;
  /** When so many permits are lost, the process must be restarted: three, or all there are. */
  readonly #mayLose: number;
  #taken: ReceivedTask[] = [];
  #busy = 0;
  #draining: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  #goingOn = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#running = new Running(parts.configuration);
    this.ended = this.#end.promise;
    this.#mayLose = Math.min(MAX_LOST_PERMITS, parts.permits);
    const { broker, keeper, locks, tasks, ledger } = parts;
    checkLedger(tasks, ledger);
    this.#environment = new Environment({ broker, ledger, onChange: () => this.#environmentChanged() });
    this.#context = {
      environment: this.#environment,
      broker,
      worker: parts.name,
      locks,
      ledger,
      starts: startCounts(broker, parts.name),
      streamLedger: streamLedger(broker),
      maxPayloadBytes: maxPayloadBytes(broker),
      owns: (task) => keeper.owns(task),
      newerPayloads: parts.newerPayloads,
      deps: (input) => parts.deps(input),
      onStart: (attempt) => this.#begun(attempt),
      onEnd: (attempt) => this.#running.delete(attempt),
      raiseIfBehind: async () => {
        await locks
          .raiseIfBehind()
          .catch((cause: unknown) =>
            broker.observer.note("Cannot compare the lock bucket with the database yet", { cause }),
          );
      },
    };
    this.#handBacks = new HandBacks(broker);
    this.#solitude = this.#openSolitude();
    this.#source = new LaneSource({
      broker,
      tasks,
      configuration: parts.configuration,
      room: () => this.#room(),
      isIdle: () =>
        this.#environment.problem === undefined &&
        this.#busy + this.#buffer.size + this.#taken.length + this.#waiting.size === 0,
      hasEnough: (priority) => this.#room() < this.#rate.prefetch() / 2 && this.#buffer.holds(priority),
      take: (task) => this.#take(task),
      handBack: (task) => this.#refuse(task),
      cameShort: () => this.#startAll(),
    });
  }

  health(): WorkerHealth {
    const { broker, permits } = this.#parts;
    const problems: string[] = [];
    const silentMs = performance.now() - Math.max(this.#source.lastAnswerAtMs(), broker.loop.wentOnAtMs());
    if (broker.nc.isClosed()) problems.push("the connection to NATS is closed");
    else if (silentMs > SILENT_MS) problems.push(`NATS has not answered for ${Math.round(silentMs / 1000)} s`);
    if (this.#draining !== undefined) problems.push("draining");
    const amiss = this.#environment.problem;
    if (amiss !== undefined) problems.push(`takes no tasks until it is mended: ${amiss}`);
    if (this.#lost.length >= this.#mayLose) problems.push(`${this.#lost.length} tasks ignored their abort signal`);
    return {
      problems,
      permits,
      running: this.#running.size,
      buffered: this.#buffer.size,
      waitingForLocks: this.#waiting.size,
      lostPermits: this.#lost.length,
    };
  }

  /** The connection was lost and is back: whatever was asked of the old one is asked again. */
  reconnected(): void {
    this.#source.reconnected();
  }

  /** Hands back what has not begun, gives running tasks their deadline, and ends. `hasten` makes the deadline now. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain().then(
      () => this.#end.resolve(),
      (error: unknown) => this.#end.reject(error),
    );
    return this.#draining;
  }

  /** Aborts what still runs, and what begins yet because it was waiting for an answer. */
  hasten(): void {
    this.#running.hasten();
  }

  #openSolitude(): Solitude {
    const { broker } = this.#parts;
    return new Solitude({
      running: () => this.#running,
      busy: () => this.#busy,
      permits: () => this.#parts.permits - this.#lost.length,
      hasOthers: () => this.#buffer.size + this.#taken.length > 0,
      onClosed: (task, aloneMs) => {
        broker.observer.note(aloneNote(task, aloneMs));
        this.#giveToOthers();
      },
      begin: (task, aloneMs) => {
        this.#busy++;
        void this.#start(task, aloneMs);
      },
      onOpened: () => {
        void this.#context.starts.aloneNoMore();
        this.#goOnSoon();
      },
    });
  }

  /** What has not begun is for others while something is amiss: it may be so here alone. */
  #environmentChanged(): void {
    if (this.#environment.problem === undefined) this.#goOnSoon();
    else this.#giveToOthers();
  }

  #begun(attempt: RunningAttempt): void {
    this.#running.add(attempt);
    this.#solitude.noteBegun();
  }

  /** Whether what has not begun is for others. */
  get #isClosed(): boolean {
    return this.#draining !== undefined || !this.#solitude.isOpen || this.#environment.problem !== undefined;
  }

  #room(): number {
    if (this.#isClosed) return 0;
    const inHand = this.#busy + this.#buffer.size + this.#taken.length;
    return this.#parts.permits - this.#lost.length + this.#rate.prefetch() - inHand;
  }

  /** Messages of one network read are held under heartbeat together, before the first of them runs. */
  #take(task: ReceivedTask): void {
    this.#taken.push(task);
    if (this.#taken.length === 1) queueMicrotask(() => this.#admit());
  }

  #admit(): void {
    const taken = this.#taken;
    this.#taken = [];
    for (const task of taken) holdFor(task, task.definition.timeoutMs);
    this.#parts.keeper.hold(taken);
    for (const received of taken) {
      const task = this.#inHand(received);
      if (this.#isClosed) this.#giveBack(task);
      else this.#buffer.add(task);
    }
    if (this.#isClosed) void this.#handBacks.announce(this.#source);
    this.#startAll();
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

  /** Nothing comes of it here, and others need not wait for the sweep to hear of it. */
  #refuse(received: ReceivedTask): void {
    holdFor(received, 0);
    this.#parts.keeper.hold([received]);
    this.#giveBack(this.#inHand(received));
    void this.#handBacks.announce(this.#source);
  }

  #resume(task: InHand): void {
    if (!this.#waiting.delete(task)) return;
    clearTimeout(task.waitLimit);
    this.#buffer.resume(task);
    this.#startAll();
  }

  #startAll(): void {
    while (!this.#isClosed) {
      const free = this.#parts.permits - this.#lost.length - this.#busy;
      // Each task of a higher priority that is on its way has a permit kept for it: the wait is one round trip.
      const task = free > 0 ? this.#buffer.next((priority) => free > this.#source.awaitedAbove(priority)) : undefined;
      if (task === undefined) break;
      this.#busy++;
      void this.#start(task, 0);
    }
  }

  async #start(task: InHand, aloneMs: number): Promise<void> {
    const { received, waiter } = task;
    const nowMs = performance.now();
    if (received.untilMs < nowMs + received.definition.timeoutMs + ABORT_GRACE_MS) {
      // It was buffered for long.
      holdFor(received, received.definition.timeoutMs);
      this.#parts.keeper.hold([received]);
    }
    const waitedMs = nowMs - (task.waitsSinceMs ?? nowMs);
    const end = await runTask(this.#context, received, { waiter, waitedMs, aloneMs });
    if (end.kind === "suspect") await this.#solitude.shown(end.aloneMs);
    this.#busy--;
    this.#solitude.noteEnded(task);
    if (end.kind === "contended") {
      task.waitsSinceMs ??= nowMs;
      this.#wait(task, end.by);
    } else if (end.kind === "crowded") {
      this.#crowded(task, end.by);
    } else if (end.kind === "suspect") {
      this.#suspect(task, end.aloneMs);
    } else {
      this.#rate.count();
      // Its ack may wait for company, and the next task may not let it go for long.
      this.#parts.broker.outbox.whenSent(() => this.#parts.keeper.letGo(received));
      this.#parts.locks.forget(waiter);
      if (end.kind === "stuck") this.#losePermit(received.definition.name);
      if (end.kind === "handedBack") this.#handBacks.add(received);
    }
    if (this.#busy === 0) this.#idle?.();
    this.#goOnSoon();
  }

  /** It is to run alone: here, once the process is quiet, or in another worker. */
  #suspect(task: InHand, aloneMs: number): void {
    const { received, waiter } = task;
    // Those behind it in a line do not wait for it.
    this.#parts.locks.forget(waiter);
    const longestMs = Math.max(...this.#parts.tasks.map(({ timeoutMs }) => timeoutMs));
    holdFor(received, longestMs + received.definition.timeoutMs);
    this.#parts.keeper.hold([received]);
    const answer = this.#draining === undefined ? this.#solitude.claim(task, aloneMs) : { againMs: 0 };
    if (answer !== "claimed") this.#giveBack(task, answer.againMs);
  }

  #wait(task: InHand, by: string): void {
    const { received, waiter } = task;
    this.#waiting.add(task);
    if (this.#isClosed) {
      this.#giveBack(task);
      void this.#handBacks.announce(this.#source);
      return;
    }
    if (this.#parts.locks.wait(waiter)) {
      const { lockWaitMs, timeoutMs } = received.definition;
      const waitedMs = performance.now() - (task.waitsSinceMs ?? performance.now());
      task.waitLimit = setTimeout(() => this.#resume(task), Math.max(1, lockWaitMs - waitedMs)).unref();
      holdFor(received, lockWaitMs + timeoutMs);
      this.#parts.keeper.hold([received]);
      tell(this.#context, byId(received), { step: "contended", reason: `lock ${by} is held` });
      return;
    }
    this.#crowded(task, by);
  }

  /** There is no place to wait for the lock: it comes back when it may have one. */
  #crowded(task: InHand, by: string): void {
    this.#giveBack(task, this.#isClosed ? 0 : this.#crowds.delayMs(by, this.#rate.perMs()));
  }

  #giveBack(task: InHand, delayMs = 0): void {
    const { received, waiter } = task;
    this.#waiting.delete(task);
    clearTimeout(task.waitLimit);
    this.#parts.locks.forget(waiter);
    handBack(this.#context, byId(received), delayMs);
    this.#parts.keeper.letGo(received);
    if (delayMs === 0) this.#handBacks.add(received);
  }

  /** Hands back whatever has not begun. */
  #giveAllBack(): void {
    const take = () => this.#buffer.next(() => true);
    for (let task = take(); task !== undefined; task = take()) this.#giveBack(task);
    for (const task of [...this.#waiting]) this.#giveBack(task);
  }

  /** Nothing begins here from now on. */
  #giveToOthers(): void {
    this.#giveAllBack();
    this.#source.pump(); // there is no room any more
    void this.#handBacks.announce(this.#source);
  }

  /**
   * One look for more work however many tasks end together. Before the free permits are given to what is in hand, so that what is
   * more urgent has been asked for.
   */
  #goOnSoon(): void {
    if (this.#goingOn) return;
    this.#goingOn = true;
    queueMicrotask(() => {
      this.#goingOn = false;
      this.#source.pump();
      this.#startAll();
    });
  }

  #losePermit(task: string): void {
    this.#lost.push(task);
    this.#parts.broker.observer.alarm(
      `${task} ignored its abort signal; its permit is lost (${this.#lost.length} of ${this.#mayLose})`,
    );
    if (this.#lost.length < this.#mayLose) return;
    this.#end.reject(new WorkerSpentError(this.#lost));
    void this.drain();
  }

  async #drain(): Promise<void> {
    await this.#source.stop();
    this.#admit();
    const suspect = this.#solitude.withdraw();
    if (suspect !== undefined) this.#giveBack(suspect);
    this.#giveAllBack();
    await this.#handBacks.announce(this.#source);
    const deadline = setTimeout(() => this.hasten(), this.#parts.drainMs);
    if (this.#busy > 0) await Promise.race([this.#untilIdle(), this.#running.untilLastWords()]);
    clearTimeout(deadline);
    this.#running.close();
    this.#solitude.close();
    this.#environment.close();
    await this.#handBacks.announce(this.#source);
    await this.#handBacks.flush();
  }

  async #untilIdle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}
