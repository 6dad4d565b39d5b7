// Tested by tests/src/worker/order_test.ts
// Tested by tests/src/worker/drain_test.ts
import type { TasksInForce } from "../configuration/tasks_in_force.ts";
import { Permits } from "../policy/permits.ts";
import { Policy } from "../policy/policy.ts";
import { LaneSource } from "../pull/lane_source.ts";
import { ABORT_GRACE_MS, type RunningAttempt } from "../run/attempt.ts";
import type { Environment } from "../run/environment.ts";
import { byId } from "../run/identify.ts";
import { LONGEST_SILENCE_MS } from "../streams/storage.ts";
import { TASKS } from "../streams/streams.ts";
import { type RunContext, runTask, type TaskEnd } from "../run/run_task.ts";
import { Alarm } from "./alarm.ts";
import { checkLedger } from "./check_ledger.ts";
import { Hand, type InHand } from "./hand.ts";
import { Running } from "./running.ts";
import { unwantedBy } from "./unwanted.ts";
import type { Solitude, SolitudeMember } from "./solitude.ts";
import { spanOf } from "./span_of.ts";
import { runContext } from "./run_context.ts";
import { tasksInForce } from "./tasks_in_force.ts";
import type { WorkerHealth, WorkerParts } from "./worker_parts.ts";
import type { WorkerPart } from "./whole_worker.ts";

/** Number of permits lost to tasks that ignore their signal after which the process must be restarted. */
const MAX_LOST_PERMITS = 3;

/** Too many tasks ignored their abort signals. Their code may still be running: the process must be restarted. */
export class WorkerSpentError extends Error {
  override readonly name = "WorkerSpentError";
  readonly tasks: readonly string[];
  constructor(tasks: readonly string[]) {
    super(
      `Cannot go on: ${tasks.length} tasks ignored their abort signal (${tasks.join(", ")}); restart the process, and make them stop at their signal`,
    );
    this.tasks = tasks;
  }
}

function aloneNote({ received }: InHand, aloneMs: number): string {
  const howLong = Number.isFinite(aloneMs) ? `for its first ${aloneMs / 1_000} s` : "to its end";
  return `${received.definition.name} ${byId(received).taskId} runs alone ${howLong}: earlier runs of it began and did not end`;
}

/**
 * Pulls tasks and runs them. It has in hand at most its permits, a small prefetch and the bounded waiting room. The policy decides what
 * is pulled and started next. This class joins the policy with the source, the locks and the runs.
 *
 * States:
 *   running   It pulls and starts tasks.
 *   draining  It pulls nothing. Buffer and waiting room are handed back, and running tasks have until the deadline.
 *   ended     `ended` has settled.
 *
 * Transitions:
 *   running -> draining  `drain` is called, or too many permits are lost
 *   draining -> ended    no task runs any more, or all were aborted and their time for last words is over
 */
export class Worker implements WorkerPart {
  /** Settles when drained. Rejects with {@linkcode WorkerSpentError} when the process must be restarted. */
  readonly ended: Promise<void>;
  readonly #parts: WorkerParts;
  readonly #context: RunContext;
  readonly #permits: Permits;
  readonly #policy: Policy<InHand>;
  readonly #source: LaneSource;
  readonly #hand: Hand;
  readonly #running: Running;
  readonly #end = Promise.withResolvers<void>();
  readonly #stuck: string[] = [];
  readonly #solitude: Solitude;
  /** This worker, as the solitude of its process sees it. */
  readonly #member: SolitudeMember;
  readonly #environment: Environment;
  readonly #inForce: TasksInForce;
  readonly #unfollow: () => void;
  /** Number of lost permits at which the process must be restarted: three, or all permits if there are fewer. */
  readonly #mayLose: number;
  readonly #alarm = new Alarm(() => this.#goOn());
  #draining: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  #goingOn = false;

  constructor(parts: WorkerParts) {
    const { broker, tasks, ledger, configuration, pauses, cancellations, permits } = parts;
    checkLedger(tasks, ledger);
    this.#parts = parts;
    this.ended = this.#end.promise;
    this.#mayLose = Math.min(MAX_LOST_PERMITS, permits);
    this.#running = new Running(unwantedBy(parts));
    this.#inForce = tasksInForce(parts);
    this.#environment = parts.environment;
    this.#context = runContext(parts, {
      onStart: (attempt) => this.#begun(attempt),
      onEnd: (attempt) => this.#running.delete(attempt),
    });
    this.#permits = new Permits(permits);
    this.#policy = new Policy({
      permits: this.#permits,
      arrived: () => this.#hand.arrived,
      waiting: () => this.#hand.waiting,
      isClosed: () => this.#isClosed,
      weightOf: (vo) => configuration.current.vos[vo]?.weight ?? 1,
      isReplicated: () => broker.copies.of(TASKS) > 1,
    });
    this.#hand = new Hand({
      parts,
      context: this.#context,
      policy: this.#policy,
      source: () => this.#source,
      isClosed: () => this.#isClosed,
      isPaused: (task, vo) => pauses.isPaused(task, vo),
      onReady: () => this.#goOnSoon(),
    });
    // What waits for a lock ends at once. What is in the buffer ends when it begins.
    cancellations.onNews(() => this.#hand.resumeCancelled());
    this.#solitude = parts.solitude;
    this.#member = this.#asMember();
    this.#solitude.join(this.#member);
    this.#source = new LaneSource({
      ...{ broker, tasks, configuration },
      policy: this.#policy,
      inForce: (task, vo) => this.#inForce.of(task, vo),
      isPaused: (task, vo) => pauses.isPaused(task, vo),
      take: (task) => this.#hand.take(task),
      handBack: (task) => this.#hand.refuse(task),
      onNews: () => this.#goOnSoon(),
    });
    const review = () => this.#review();
    pauses.onChange(review);
    this.#unfollow = configuration.onChange(review);
  }

  health(): WorkerHealth {
    const { broker, permits } = this.#parts;
    const problems: string[] = [];
    const silentMs = performance.now() - Math.max(this.#source.lastAnswerAtMs(), broker.loop.wentOnAtMs());
    if (broker.nc.isClosed()) problems.push("the connection to NATS is closed");
    else if (silentMs > LONGEST_SILENCE_MS) problems.push(`NATS has not answered for ${Math.round(silentMs / 1000)} s`);
    if (this.#draining !== undefined) problems.push("draining");
    const amiss = this.#environment.problem;
    if (amiss !== undefined) problems.push(`takes no tasks until it is mended: ${amiss}`);
    problems.push(...this.#source.problems());
    if (this.#permits.lost >= this.#mayLose) problems.push(`${this.#permits.lost} tasks ignored their abort signal`);
    return {
      problems,
      permits,
      running: this.#running.size,
      buffered: this.#policy.buffer.size,
      waitingForLocks: this.#hand.waiting,
      lostPermits: this.#permits.lost,
      draining: this.#draining !== undefined,
    };
  }

  /** The connection was lost and is back. Everything that was asked of the old one is asked again. */
  reconnected(): void {
    this.#source.reconnected();
  }

  /** Hands back tasks that have not begun, gives running tasks their deadline, and ends. `hasten` makes the deadline now. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain().then(
      () => this.#end.resolve(),
      (error: unknown) => this.#end.reject(error),
    );
    return this.#draining;
  }

  /** Aborts all tasks that run, and those that still begin because they were waiting for an answer. */
  hasten(): void {
    this.#running.hasten();
  }

  #asMember(): SolitudeMember {
    const { broker } = this.#parts;
    return {
      running: () => this.#running,
      permitsTaken: () => this.#permits.taken,
      permitsUsable: () => this.#permits.usable,
      hasOthers: () => this.#policy.buffer.size + this.#hand.arrived > 0,
      onAccepted: (task, aloneMs) => broker.observer.note(aloneNote(task, aloneMs)),
      onClosed: () => this.#giveToOthers(),
      begin: (task, aloneMs) => void this.#start(task, aloneMs),
      onOpened: () => {
        void this.#context.starts.aloneNoMore();
        this.#goOnSoon();
      },
    };
  }

  /** Hands tasks that have not begun to other workers while something is wrong, since it may be wrong only here. */
  environmentChanged(): void {
    if (this.#environment.problem === undefined) this.#goOnSoon();
    else this.#giveToOthers();
  }

  /** Hands all tasks that have not begun to other workers. Nothing begins here from now on. */
  #giveToOthers(): void {
    this.#hand.giveAllBack();
    this.#source.pump(performance.now()); // there is no room any more
    this.#hand.announce();
  }

  /** The configuration or the pauses have changed: takes over what they say of lanes, and of tasks that have not begun. */
  #review(): void {
    if (this.#draining !== undefined) return;
    this.#source.review();
    this.#hand.review();
    const suspect = this.#solitude.waitingOf(this.#member);
    if (suspect !== undefined) this.#hand.redefine(suspect.received);
    if (suspect !== undefined && this.#hand.isPaused(suspect.received)) {
      this.#solitude.withdraw(this.#member);
      this.#hand.giveBack(suspect);
    }
    this.#goOnSoon();
  }

  #begun(attempt: RunningAttempt): void {
    this.#running.add(attempt);
    this.#solitude.noteBegun();
  }

  /** Whether this worker begins nothing, so that tasks which have not begun go to other workers. */
  get #isClosed(): boolean {
    return this.#draining !== undefined || !this.#solitude.isOpen || this.#environment.problem !== undefined;
  }

  /** Calls `#goOn` once for all tasks that have arrived, ended or come free together. */
  #goOnSoon(): void {
    if (this.#goingOn) return;
    this.#goingOn = true;
    queueMicrotask(() => {
      this.#goingOn = false;
      this.#goOn();
    });
  }

  /** Carries out what the policy decides, until there is nothing to decide. */
  #goOn(): void {
    this.#hand.admit();
    this.#source.pump(performance.now());
    for (let task = this.#policy.nextStart(); task !== undefined; task = this.#policy.nextStart()) {
      void this.#start(task, 0);
    }
    if (this.#draining === undefined) this.#alarm.setTo(this.#policy.lookAgainAtMs);
  }

  async #start(task: InHand, aloneMs: number): Promise<void> {
    this.#permits.take();
    const { received, waiter } = task;
    const nowMs = performance.now();
    const { timeoutMs } = received.definition;
    // It may have been buffered for long.
    if (received.untilMs < nowMs + timeoutMs + ABORT_GRACE_MS) this.#hand.hold(received, timeoutMs);
    const waitedMs = nowMs - (task.waitsSinceMs ?? nowMs);
    const run = () => runTask(this.#context, received, { waiter, waitedMs, aloneMs });
    task.span ??= spanOf(this.#parts.broker, received);
    const end = await (task.span === undefined ? run() : task.span.within(run));
    if (end.kind === "suspect") await this.#solitude.shown(end.aloneMs);
    this.#permits.giveBack();
    this.#solitude.noteEnded(task);
    if (end.kind === "held") task.waitsSinceMs ??= nowMs;
    this.#follow(task, end);
    if (this.#permits.taken === 0) this.#idle?.();
    this.#source.noteMove();
    this.#goOnSoon();
  }

  /** Does what the end of a run asks for. */
  #follow(task: InHand, end: TaskEnd): void {
    if (end.kind === "held") this.#hand.wait(task, end.by);
    else if (end.kind === "crowded") this.#hand.crowd(task, end.by);
    else if (end.kind === "suspect") this.#suspect(task, end.aloneMs);
    else this.#finish(task, end);
  }

  #finish({ received, waiter, span }: InHand, { kind }: TaskEnd): void {
    span?.end();
    this.#policy.rate.count();
    // Its ack may wait in the outbox, so its heartbeats go on until the ack was sent.
    this.#parts.broker.outbox.whenSent(() => this.#parts.keeper.letGo(received));
    this.#parts.locks.forget(waiter);
    if (kind === "stuck") this.#losePermit(received.definition.name);
    if (kind === "handedBack") this.#hand.noteHandedBack(received);
  }

  /** Lets a suspect run alone: here, once the process is quiet, or in another worker. */
  #suspect(task: InHand, aloneMs: number): void {
    const { received, waiter } = task;
    // Tasks behind it in a line must not wait for it.
    this.#parts.locks.forget(waiter);
    this.#hand.redefine(received);
    const longestMs = this.#inForce.longestTimeoutMs(this.#parts.tasks);
    this.#hand.hold(received, longestMs + received.definition.timeoutMs);
    const isWelcome = this.#draining === undefined && !this.#hand.isPaused(received);
    const answer = isWelcome ? this.#solitude.ask(this.#member, task, aloneMs) : { againMs: 0 };
    if (answer !== "accepted") this.#hand.giveBack(task, answer.againMs);
  }

  #losePermit(task: string): void {
    this.#permits.lose();
    this.#stuck.push(task);
    this.#parts.broker.observer.alarm(
      `${task} ignored its abort signal; its permit is lost (${this.#permits.lost} of ${this.#mayLose})`,
    );
    if (this.#permits.lost < this.#mayLose) return;
    this.#end.reject(new WorkerSpentError(this.#stuck));
    void this.drain();
  }

  async #drain(): Promise<void> {
    this.#unfollow();
    await this.#source.stop();
    this.#alarm.close();
    this.#hand.admit();
    const suspect = this.#solitude.withdraw(this.#member);
    if (suspect !== undefined) this.#hand.giveBack(suspect);
    this.#hand.giveAllBack();
    await this.#hand.announced();
    const deadline = setTimeout(() => this.hasten(), this.#parts.drainMs);
    if (this.#permits.taken > 0) await Promise.race([this.#untilIdle(), this.#running.untilLastWords()]);
    clearTimeout(deadline);
    this.#running.close();
    await this.#hand.announced();
    await this.#hand.flush();
  }

  async #untilIdle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}
