import type { Msg } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import type { Priority } from "../definition/task.ts";
import { newInbox } from "../connection/connection.ts";
import { type Delivery, readAckReply } from "../format/delivery.ts";
import { readHeaders } from "../format/headers.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { TASKS } from "../streams/streams.ts";
import { wakeSubject } from "../format/subject.ts";
import { FirstDeliveries } from "./first_deliveries.ts";
import { KnownLanes } from "./known_lanes.ts";
import { hasWork, type Lane, type Rings } from "./lane.ts";
import { createLaneConsumer } from "./lane_consumer.ts";
import type { ReceivedTask } from "./received_task.ts";
import { StandingPull } from "./standing_pull.ts";
import { countWaiting, Sweeps } from "./sweep.ts";
import type { TaskSource, TaskSourceOptions } from "./task_source.ts";
import { type Wake, wakeGroup } from "./wake_group.ts";
import { WakeMembership } from "./wake_membership.ts";

/** A pull without any answer for this long is taken for lost. */
const PULL_LOST_MS = 3_000;
/** A stopping worker waits this long for the answers to its open pulls, ms. */
const LAST_ANSWERS_MS = 1_000;
/** Pauses before a lane is pulled again when a wake has overtaken the consumer's own count, ms. */
const OVERTAKEN_MS = [2, 4, 8];
/** Rest of a lane whose consumer could not be created or whose pull was refused, ms. */
const REFUSED_REST_MS = 200;

/**
 * One lane for each task name and VO, pulled `no_wait` for free room only: priorities strictly from the top, lanes of one
 * priority in turn. A wake says when to look, a sweep each second what a wake has missed.
 */
export class LaneSource implements TaskSource {
  readonly #options: TaskSourceOptions;
  readonly #inbox: string;
  readonly #lanes: KnownLanes;
  readonly #rings: Rings;
  readonly #wakes;
  readonly #subscription;
  readonly #firstDeliveries: FirstDeliveries;
  #looksFirst = false;
  #onQuiet: (() => void) | undefined;
  #stopped = false;
  #lastAnswerAtMs = performance.now();
  #timers = new Set<NodeJS.Timeout>();
  readonly #sweeps = new Sweeps(() => this.#sweep());
  readonly #standing;

  constructor(options: TaskSourceOptions) {
    this.#options = options;
    this.#inbox = newInbox(options.broker.nc);
    this.#lanes = new KnownLanes(options, (lane) => this.#forgotten(lane));
    this.#rings = this.#lanes.rings;
    this.#firstDeliveries = new FirstDeliveries(options.broker);
    const { nc } = options.broker;
    const group = wakeGroup(nc, options.tasks, (wake) => this.#hear(wake));
    this.#wakes = new WakeMembership(group, () => this.#handOnWakes());
    this.#subscription = subscribeLasting(nc, { subject: `${this.#inbox}.*.*` }, (message) => this.#answer(message));
    this.#standing = new StandingPull(nc, `${this.#inbox}.standing`);
    this.#sweeps.soon();
  }

  lastAnswerAtMs(): number {
    return this.#lastAnswerAtMs;
  }

  pump(): void {
    this.#wakes.noteMove();
    this.#pump();
  }

  #pump(): void {
    if (this.#stopped) return;
    const nowMs = performance.now();
    const all = this.#options.room();
    let room = all - this.#rings.asked();
    // Before what was missed is known nothing is pulled, or a lane that is known to have work would be served before one of a higher
    // priority that nobody has told of.
    if (this.#wakes.noteRoom(all) === "came back") this.#looksFirst = this.#sweeps.soon() === "now";
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
    const hot = this.#standing.hotLane(nowMs);
    if (hot !== undefined) this.#stand(hot, nowMs);
  }

  /** Waits for the lane's next message, if there is nothing else to do. */
  #stand(lane: Lane, nowMs: number): "stands" | "has other work" {
    if (this.#standing.lane !== undefined || this.#rings.asked() > 0 || !this.#options.isIdle())
      return "has other work";
    if (!this.#lanes.isKnown(lane)) return "has other work";
    lane.pending = 0;
    lane.untilEmpty = false;
    lane.misses = 0;
    this.#options.broker.outbox.flush();
    this.#standing.open(lane, nowMs);
    return "stands";
  }

  awaitedAbove(priority: Priority): number {
    return this.#rings.awaitedAbove(priority);
  }

  reconnected(): void {
    // What was asked of the old connection is not answered on the new one.
    for (const lane of this.#lanes) {
      this.#giveUpPull(lane);
      // A restarted server has no consumers any more, and nobody deleted them.
      lane.seenAtMs = undefined;
    }
    this.#standing.end();
    this.#sweeps.soon();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakes.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.race([this.#sweeps.stop(), pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    // Each pull is answered soon; what it brings after we left would be stuck until its ack wait.
    if (this.#isOpen() && !this.#options.broker.nc.isClosed()) {
      const answered = new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
      await Promise.race([answered, pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    }
    this.#subscription[Symbol.dispose]();
  }

  /** Whether a pull may yet bring something. */
  #isOpen(): boolean {
    return this.#rings.asked() > 0 || this.#standing.lane !== undefined;
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

  #forgotten(lane: Lane): void {
    this.#giveUpPull(lane);
  }

  #weightOf({ vo }: Lane): number {
    return this.#options.configuration.current.vos[vo]?.weight ?? 1;
  }

  #pull(lane: Lane, batch: number, nowMs: number): void {
    lane.asked = batch;
    lane.pull++;
    lane.pulledAtMs = nowMs;
    this.#rings.of(lane).asked += batch;
    const { nc, outbox } = this.#options.broker;
    outbox.flush();
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${TASKS}.${lane.consumer}`, `{"batch":${batch},"no_wait":true}`, {
      reply: `${this.#inbox}.${lane.number}.${lane.pull}`,
    });
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
    if (this.#standing.isStatus(message)) this.#stoodInVain(message);
    else if (message.subject.startsWith(this.#inbox)) this.#status(message);
    else this.#message(message);
    if (this.#onQuiet !== undefined && !this.#isOpen()) this.#onQuiet();
  }

  #status(message: Msg): void {
    const [number, pull] = message.subject.slice(this.#inbox.length + 1).split(".");
    const lane = this.#lanes.numbered(Number(number));
    if (lane === undefined || lane.pull !== Number(pull)) return;
    this.#endPull(lane);
    const code = message.headers?.code;
    if (code === 404 || code === 408) this.#emptied(lane);
    else this.#refused(lane, code);
    this.#pump();
  }

  #stoodInVain(message: Msg): void {
    const lane = this.#standing.end();
    const code = message.headers?.code;
    if (lane === undefined) return;
    if (code === 408) {
      const overtaken = lane.wokenSequence > lane.deliveredSequence;
      this.#exhausted(lane);
      // What we were told of meanwhile went to another worker, or came just after the pull had ended: one more look tells.
      if (overtaken && this.#stand(lane, this.#lastAnswerAtMs) !== "stands") lane.pending = 1;
    } else {
      this.#standing.cool();
      this.#refused(lane, code);
    }
    this.#pump();
  }

  #refused(lane: Lane, code: number | undefined): void {
    if (code === 503) {
      this.#create(lane);
      return;
    }
    // 409: the consumer was deleted, its leader changed, or it has too many pulls.
    lane.untilEmpty = true;
    this.#rest(lane, REFUSED_REST_MS);
  }

  #emptied(lane: Lane): void {
    lane.seenAtMs = this.#lastAnswerAtMs;
    const overtaken = lane.wokenSequence > lane.deliveredSequence;
    // Another worker may stand there already and take what we hear of.
    if (overtaken && this.#stand(lane, this.#lastAnswerAtMs) === "stands") return;
    const restMs = OVERTAKEN_MS[lane.misses];
    if (overtaken && restMs !== undefined) {
      lane.misses++;
      this.#rest(lane, restMs);
      return;
    }
    this.#exhausted(lane);
  }

  /** Nothing is left there: what we were woken for went to another worker. */
  #exhausted(lane: Lane): void {
    lane.seenAtMs = this.#lastAnswerAtMs;
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
    const lane = this.#lanes.ofSubject(message.subject);
    if (lane === undefined) return;
    const isAwaited = lane.asked === 0 && this.#standing.lane === lane;
    if (isAwaited) this.#standing.end();
    else this.#oneLess(lane);
    lane.misses = 0;
    lane.seenAtMs = this.#lastAnswerAtMs;
    lane.served += 1 / this.#weightOf(lane);
    lane.pending = delivery.pending;
    this.#noteDelivered(lane, delivery);
    // The count may be older than the wake.
    if (lane.wokenSequence > lane.deliveredSequence) lane.pending = Math.max(lane.pending, 1);
    if (delivery.count > 1) lane.untilEmpty = true;
    const { headers, problem } = readHeaders(message);
    // When this pull was opened there was room, and since then something else may have come.
    const isTooMuch = isAwaited && this.#options.room() <= this.#rings.asked();
    const give = isTooMuch ? this.#options.handBack : this.#options.take;
    give({
      definition: lane.definition,
      vo: lane.vo,
      subject: message.subject,
      headers,
      headersProblem: problem,
      body: message.data,
      ack,
      delivery,
      isFirst: this.#firstDeliveries.isFirst(lane, delivery),
      pulledAtMs: isAwaited ? this.#standing.openedAtMs : lane.pulledAtMs,
      untilMs: this.#lastAnswerAtMs,
      held: undefined,
      starts: undefined,
    });
    if (lane.asked === 0) this.#pump();
  }

  #oneLess(lane: Lane): void {
    if (lane.asked === 0) return;
    lane.asked--;
    this.#rings.of(lane).asked--;
  }

  #noteDelivered(lane: Lane, { count, streamSequence }: Delivery): void {
    if (count === 1 && streamSequence < lane.deliveredSequence) {
      // First deliveries come in order, so the stream was created anew and counts from 1 again.
      lane.deliveredSequence = streamSequence;
      lane.wokenSequence = streamSequence;
    }
    this.#standing.noteServed(lane, this.#lastAnswerAtMs);
    lane.deliveredSequence = Math.max(lane.deliveredSequence, streamSequence);
  }

  #hear({ task, vo, sequence }: Wake): void {
    const lane = this.#lanes.find(task, vo);
    if (lane === undefined) return;
    if (this.#standing.lane === lane) {
      lane.wokenSequence = Math.max(lane.wokenSequence, sequence ?? 0);
      return;
    }
    if (sequence === undefined) {
      lane.untilEmpty = true;
    } else if (sequence > lane.deliveredSequence) {
      lane.pending++;
      lane.wokenSequence = Math.max(lane.wokenSequence, sequence);
    }
    this.#pump();
  }

  /** What we heard of and cannot take is somebody else's to hear of. */
  #handOnWakes(): void {
    for (const lane of this.#lanes) {
      if (hasWork(lane)) this.#options.broker.nc.publish(wakeSubject({ task: lane.definition.name, vo: lane.vo }));
    }
  }

  async #sweep(): Promise<void> {
    const { broker, tasks } = this.#options;
    this.#dropLostPulls();
    try {
      const waiting = await countWaiting(broker, tasks);
      this.#lastAnswerAtMs = performance.now();
      for (const { task, vo } of waiting) {
        const lane = this.#lanes.find(task, vo);
        const isLooked = lane === undefined || hasWork(lane) || lane === this.#standing.lane;
        if (!isLooked) lane.untilEmpty = true;
      }
    } catch (cause) {
      broker.observer.note("Cannot list what waits yet", { cause });
    }
    this.#looksFirst = false;
    this.#pump();
  }

  #dropLostPulls(): void {
    const lostBeforeMs = performance.now() - PULL_LOST_MS;
    for (const lane of this.#lanes) {
      if (lane.asked > 0 && lane.pulledAtMs < lostBeforeMs) this.#giveUpPull(lane);
    }
    const lost = this.#standing.isLost(performance.now()) ? this.#standing.end() : undefined;
    if (lost !== undefined) lost.untilEmpty = true;
  }

  #giveUpPull(lane: Lane): void {
    this.#endPull(lane);
    lane.pull++;
    lane.untilEmpty = true;
  }
}
