import { createInbox, type Msg } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import type { Priority } from "../definition/task.ts";
import { type Delivery, readAckReply } from "../wire/delivery.ts";
import { readHeaders } from "../wire/headers.ts";
import { TASKS } from "../wire/streams.ts";
import { wakeSubject } from "../wire/subject.ts";
import { type KnowsVo, knownVos } from "./known_vos.ts";
import { hasWork, type Lane, Rings } from "./lane.ts";
import { createLaneConsumer, newLane } from "./lane_consumer.ts";
import type { ReceivedTask } from "./received_task.ts";
import { countWaiting } from "./sweep.ts";
import type { TaskSource, TaskSourceOptions } from "./task_source.ts";
import { type Wake, wakeGroup } from "./wake_group.ts";

/** A fall-back for lost wakes and for what comes back without one, ms; spread over the workers by a fifth either way. */
const SWEEP_MS = 1_000;
/** A worker without room in which no task has ended for so long leaves the wake group, ms. */
const FULL_FOR_MS = 5;
/** A pull without any answer for this long is taken for lost. */
const PULL_LOST_MS = 3_000;
/** A stopping worker waits this long for the answers to its open pulls, ms. */
const LAST_ANSWERS_MS = 1_000;
/** Pauses before a lane is pulled again when a wake has overtaken the consumer's own count, ms. */
const OVERTAKEN_MS = [2, 4, 8];
/** Rest of a lane whose consumer could not be created or whose pull was refused, ms. */
const REFUSED_REST_MS = 200;

let received = 0;

/**
 * One lane for each task name and VO, pulled `no_wait` for free room only: priorities strictly from the top, lanes of one
 * priority in turn. A wake says when to look, a sweep each second what a wake has missed.
 */
export class LaneSource implements TaskSource {
  readonly #options: TaskSourceOptions;
  readonly #inbox = createInbox();
  readonly #lanes = new Map<string, Lane>();
  readonly #byNumber: Lane[] = [];
  readonly #rings = new Rings();
  readonly #wakes;
  readonly #subscription;
  #looksFirst = false;
  #onQuiet: (() => void) | undefined;
  #stopped = false;
  #lastAnswerAtMs = performance.now();
  /** When the worker last told of room. */
  #movedAtMs = performance.now();
  #isFull = false;
  #timers = new Set<NodeJS.Timeout>();
  #sweeping: Promise<void> | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #leaving: NodeJS.Timeout | undefined;
  readonly #knows: KnowsVo;

  constructor(options: TaskSourceOptions) {
    this.#options = options;
    this.#knows = knownVos(options);
    const { nc } = options.broker;
    this.#wakes = wakeGroup(nc, options.tasks, (wake) => this.#hear(wake));
    this.#subscription = nc.subscribe(`${this.#inbox}.*.*`, {
      callback: (error, message) => {
        if (error === null) this.#answer(message);
      },
    });
    this.#wakes.join();
    this.#sweepLater(0);
  }

  lastAnswerAtMs(): number {
    return this.#lastAnswerAtMs;
  }

  pump(): void {
    this.#movedAtMs = performance.now();
    this.#pump();
  }

  #pump(): void {
    if (this.#stopped) return;
    const nowMs = performance.now();
    const all = this.#options.room();
    let room = all - this.#rings.asked();
    this.#noteRoom(all);
    if (this.#looksFirst) return;
    for (const ring of this.#rings.inOrder) {
      const working = ring.working();
      if (working === 0) continue;
      if (this.#options.hasEnough(ring.priority)) return;
      // Many VOs get small turns and one VO gets large ones.
      const turn = Math.ceil(all / working);
      while (room > 0) {
        const lane = ring.next(nowMs);
        if (lane === undefined) break;
        const share = turn * this.#weightOf(lane);
        const wanted = lane.untilEmpty ? share : Math.min(share, lane.pending);
        const batch = Math.max(1, Math.min(room, wanted));
        this.#pull(lane, batch, nowMs);
        room -= batch;
      }
      if (room <= 0 || ring.holdsBack()) return;
    }
  }

  askedAbove(priority: Priority): number {
    return this.#rings.asked(priority);
  }

  reconnected(): void {
    // What was asked of the old connection is not answered on the new one.
    for (const lane of this.#lanes.values()) this.#giveUpPull(lane);
    this.#sweepLater(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakes.leave();
    clearTimeout(this.#sweepTimer);
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.race([this.#sweeping, pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    // A pull that does not wait is always answered; what it brings after we left would be stuck until its ack wait.
    if (this.#rings.asked() > 0 && !this.#options.broker.nc.isClosed()) {
      const answered = new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
      await Promise.race([answered, pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    }
    this.#subscription.unsubscribe();
  }

  announceHandBack(tasks: Iterable<ReceivedTask>): void {
    const subjects = new Set<string>();
    for (const { definition, vo } of tasks) subjects.add(wakeSubject({ task: definition.name, vo }));
    for (const subject of subjects) this.#options.broker.nc.publish(subject);
  }

  #later(ms: number, then: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#stopped) then();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #laneFor(task: string, vo: string): Lane | undefined {
    const key = `${task} ${vo}`;
    const known = this.#lanes.get(key);
    const definition = known?.definition ?? this.#options.tasks.find(({ name }) => name === task);
    if (definition === undefined || !this.#knows(definition.per, vo)) {
      if (known !== undefined) this.#forget(key, known);
      return undefined;
    }
    if (known !== undefined) return known;
    const lane = newLane({ number: this.#byNumber.length, definition, vo });
    this.#lanes.set(key, lane);
    this.#byNumber.push(lane);
    this.#rings.of(lane).add(lane);
    return lane;
  }

  #forget(key: string, lane: Lane): void {
    this.#lanes.delete(key);
    this.#giveUpPull(lane);
    this.#rings.of(lane).remove(lane);
  }

  #weightOf({ vo }: Lane): number {
    return this.#options.configuration.current.vos[vo]?.weight ?? 1;
  }

  #pull(lane: Lane, batch: number, nowMs: number): void {
    lane.asked = batch;
    lane.pull++;
    lane.pulledAtMs = nowMs;
    this.#rings.of(lane).asked += batch;
    this.#options.broker.nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${TASKS}.${lane.consumer}`,
      `{"batch":${batch},"no_wait":true}`,
      { reply: `${this.#inbox}.${lane.number}.${lane.pull}` },
    );
  }

  #endPull(lane: Lane): void {
    if (lane.asked === 0) return;
    this.#rings.of(lane).asked -= lane.asked;
    lane.asked = 0;
    this.#options.cameShort();
  }

  /** A message or a status for one of our pulls. Its subject is the inbox for a status, and the task's own for a message. */
  #answer(message: Msg): void {
    this.#lastAnswerAtMs = performance.now();
    // A message may bear any headers, also a status line; its subject cannot be our inbox.
    if (message.subject.startsWith(this.#inbox)) this.#status(message);
    else this.#message(message);
    if (this.#onQuiet !== undefined && this.#rings.asked() === 0) this.#onQuiet();
  }

  #status(message: Msg): void {
    const [number, pull] = message.subject.slice(this.#inbox.length + 1).split(".");
    const lane = this.#byNumber[Number(number)];
    if (lane === undefined || lane.pull !== Number(pull)) return;
    this.#endPull(lane);
    const code = message.headers?.code;
    if (code === 503) {
      this.#create(lane);
    } else if (code === 404 || code === 408) {
      this.#emptied(lane);
    } else {
      // 409: the consumer was deleted, its leader changed, or it has too many pulls.
      lane.untilEmpty = true;
      this.#rest(lane, REFUSED_REST_MS);
    }
    this.#pump();
  }

  #emptied(lane: Lane): void {
    lane.seenAtMs = this.#lastAnswerAtMs;
    const overtaken = lane.wokenSequence > lane.deliveredSequence;
    const restMs = OVERTAKEN_MS[lane.misses];
    if (overtaken && restMs !== undefined) {
      lane.misses++;
      this.#rest(lane, restMs);
      return;
    }
    // What we were woken for went to another worker.
    lane.deliveredSequence = Math.max(lane.deliveredSequence, lane.wokenSequence);
    lane.misses = 0;
    lane.pending = 0;
    lane.untilEmpty = false;
  }

  #rest(lane: Lane, ms: number): void {
    lane.restUntilMs = performance.now() + ms;
    this.#later(ms + 1, () => this.#pump());
  }

  #create(lane: Lane): void {
    lane.untilEmpty = true;
    lane.restUntilMs = Number.POSITIVE_INFINITY;
    createLaneConsumer(this.#options.broker, lane).then(
      () => {
        lane.restUntilMs = 0;
        this.#pump();
      },
      (cause: unknown) => {
        this.#options.broker.observer.note(`Cannot create consumer ${lane.consumer} yet`, { cause });
        this.#rest(lane, REFUSED_REST_MS * 5);
      },
    );
  }

  #message(message: Msg): void {
    const ack = message.reply;
    if (ack === undefined) return;
    const delivery = readAckReply(ack);
    const lane = this.#laneOf(message.subject);
    if (lane === undefined) return;
    if (lane.asked > 0) {
      lane.asked--;
      this.#rings.of(lane).asked--;
    }
    lane.misses = 0;
    lane.seenAtMs = this.#lastAnswerAtMs;
    lane.served += 1 / this.#weightOf(lane);
    lane.pending = delivery.pending;
    this.#noteDelivered(lane, delivery);
    if (delivery.count > 1) lane.untilEmpty = true;
    const { headers, problem } = readHeaders(message);
    this.#options.take({
      id: ++received,
      definition: lane.definition,
      vo: lane.vo,
      subject: message.subject,
      headers,
      headersProblem: problem,
      body: message.data,
      ack,
      delivery,
      pulledAtMs: lane.pulledAtMs,
      untilMs: this.#lastAnswerAtMs,
    });
    if (lane.asked === 0) this.#pump();
  }

  #noteDelivered(lane: Lane, { count, streamSequence }: Delivery): void {
    if (count === 1 && streamSequence < lane.deliveredSequence) {
      // First deliveries come in order, so the stream was created anew and counts from 1 again.
      lane.deliveredSequence = streamSequence;
      lane.wokenSequence = streamSequence;
    }
    lane.deliveredSequence = Math.max(lane.deliveredSequence, streamSequence);
  }

  #laneOf(subject: string): Lane | undefined {
    const end = subject.indexOf(".", "tasks.".length);
    return this.#lanes.get(`${subject.slice("tasks.".length, end)} ${subject.slice(end + 1)}`);
  }

  #hear({ task, vo, sequence }: Wake): void {
    const lane = this.#laneFor(task, vo);
    if (lane === undefined) return;
    if (sequence === undefined) {
      lane.untilEmpty = true;
    } else if (sequence > lane.deliveredSequence) {
      lane.pending++;
      lane.wokenSequence = Math.max(lane.wokenSequence, sequence);
    }
    this.#pump();
  }

  /**
   * Leaves the wake group while there is no room, and comes back with a look at what was missed: before that nothing is pulled,
   * or a lane that is known to have work would be served before one of a higher priority that nobody has told of.
   */
  #noteRoom(room: number): void {
    if (room > 0) {
      this.#isFull = false;
      if (this.#wakes.joined) return;
      this.#wakes.join();
      this.#looksFirst = this.#sweepLater(0) === "now";
    } else if (!this.#isFull) {
      this.#isFull = true;
      this.#lookIfFull();
    }
  }

  #lookIfFull(): void {
    this.#leaving ??= this.#later(FULL_FOR_MS, () => {
      this.#leaving = undefined;
      if (!this.#isFull || !this.#wakes.joined) return;
      // Where tasks are short there is room every other moment.
      if (performance.now() - this.#movedAtMs < FULL_FOR_MS) this.#lookIfFull();
      else this.#leave();
    });
  }

  #leave(): void {
    this.#wakes.leave();
    // What we heard of and cannot take is somebody else's to hear of.
    for (const lane of this.#lanes.values()) {
      if (hasWork(lane)) this.#options.broker.nc.publish(wakeSubject({ task: lane.definition.name, vo: lane.vo }));
    }
  }

  /** Sets the one sweep timer anew; sweeps are never closer together than a twentieth of their usual distance. */
  #sweepLater(ms: number): "now" | "later" {
    clearTimeout(this.#sweepTimer);
    if (this.#stopped || this.#sweeping !== undefined) return "later";
    const waitMs = Math.max(ms, this.#sweptAtMs + SWEEP_MS / 20 - performance.now());
    if (waitMs <= 0) {
      this.#sweepNow();
      return "now";
    }
    this.#sweepTimer = setTimeout(() => this.#sweepNow(), waitMs);
    return "later";
  }

  #sweepNow(): void {
    this.#sweptAtMs = performance.now();
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
      this.#sweepLater(SWEEP_MS * (0.8 + Math.random() * 0.4));
    });
  }

  async #sweep(): Promise<void> {
    const { broker, tasks } = this.#options;
    this.#dropLostPulls();
    try {
      const waiting = await countWaiting(broker, tasks);
      this.#lastAnswerAtMs = performance.now();
      for (const { task, vo } of waiting) {
        const lane = this.#laneFor(task, vo);
        if (lane !== undefined && !hasWork(lane)) lane.untilEmpty = true;
      }
    } catch (cause) {
      broker.observer.note("Cannot list what waits yet", { cause });
    }
    this.#looksFirst = false;
    this.#pump();
  }

  #dropLostPulls(): void {
    const lostBeforeMs = performance.now() - PULL_LOST_MS;
    for (const lane of this.#lanes.values()) {
      if (lane.asked > 0 && lane.pulledAtMs < lostBeforeMs) this.#giveUpPull(lane);
    }
  }

  #giveUpPull(lane: Lane): void {
    this.#endPull(lane);
    lane.pull++;
    lane.untilEmpty = true;
  }
}
