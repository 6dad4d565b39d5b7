// Tested by tests/src/worker/order_test.ts
// Tested by tests/src/worker/standing_pull_test.ts
import type { Msg } from "@nats-io/nats-core";
import { nanos } from "@nats-io/nats-core";
import type { AnyTask } from "../definition/task.ts";
import { setTimeout as pause } from "node:timers/promises";
import { newInbox } from "../connection/connection.ts";
import { type ForbiddenError, onForbidden } from "../connection/forbidden.ts";
import { readAckReply } from "../format/delivery.ts";
import { readHeaders } from "../format/headers.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { TASKS } from "../streams/streams.ts";
import { wakeSubject } from "../format/subject.ts";
import type { Lane } from "../policy/lane.ts";
import type { Pull } from "../policy/policy.ts";
import { FirstDeliveries } from "./first_deliveries.ts";
import { KnownLanes } from "./known_lanes.ts";
import { createLaneConsumer } from "./lane_consumer.ts";
import { describeRefusals, FORBIDDEN_PULL, refusalIn } from "./refused_consumers.ts";
import { countWaiting, Surveys } from "./survey.ts";
import type { HandedBack, TaskSource, TaskSourceOptions } from "./task_source.ts";
import { type Wake, wakeGroup } from "./wake_group.ts";
import { WakeMembership } from "./wake_membership.ts";

/** Longest wait of a stopping worker for the answers to its open pulls, ms. */
const LAST_ANSWERS_MS = 1_000;
/**
 * Longest wait of a standing pull at the server, ms; then it is opened again. A worker that stops, or that has other work by now,
 * cannot cancel it. A message that the server sends to a worker that no longer listens is stuck until its ack wait.
 */
const STANDS_MS = 500;
/** Where a pull is asked for; the consumer's name follows. */
const PULL_SUBJECTS = `$JS.API.CONSUMER.MSG.NEXT.${TASKS}.`;

/**
 * Has one lane for each task name and VO. Opens the pulls that the policy decides on, and reports their results to it. A wake says
 * when to pull. A survey, about each second, finds what no wake has told of.
 */
export class LaneSource implements TaskSource {
  readonly #options: TaskSourceOptions;
  readonly #inbox: string;
  readonly #known: KnownLanes;
  readonly #wakes;
  readonly #subscription;
  readonly #firstDeliveries: FirstDeliveries;
  readonly #stopHearing: () => void;
  #onQuiet: (() => void) | undefined;
  #stopped = false;
  #lastAnswerAtMs = performance.now();
  readonly #surveys = new Surveys(() => this.#survey());

  constructor(options: TaskSourceOptions) {
    this.#options = options;
    this.#inbox = newInbox(options.broker.nc);
    this.#known = new KnownLanes(options);
    this.#firstDeliveries = new FirstDeliveries(options.broker);
    const { nc } = options.broker;
    const group = wakeGroup(nc, options.tasks, (wake) => this.#hear(wake));
    this.#wakes = new WakeMembership(group, {
      turnMs: (nowMs) => options.policy.turnMs(nowMs),
      onLeft: () => this.#handOnWakes(),
    });
    this.#subscription = subscribeLasting(nc, { subject: `${this.#inbox}.*.*` }, (message) => this.#answer(message));
    this.#stopHearing = onForbidden(nc, (refused) => this.#forbidden(refused));
    this.#surveys.soon();
  }

  lastAnswerAtMs(): number {
    return this.#lastAnswerAtMs;
  }

  problems(): readonly string[] {
    return describeRefusals(this.#known);
  }

  noteMove(): void {
    this.#wakes.noteMove();
  }

  review(): void {
    this.#known.review();
  }

  definitionOf(subject: string): AnyTask | undefined {
    return this.#known.ofSubject(subject)?.definition;
  }

  pump(nowMs: number): void {
    if (this.#stopped) return;
    const { policy } = this.#options;
    // Wakes for messages that were stored while we were not in the group went to other workers.
    if (this.#wakes.noteRoom(policy.room(nowMs)) === "came back" && this.#surveys.soon() !== "later")
      policy.lookFirst();
    for (let pull = policy.nextPull(nowMs); pull !== undefined; pull = policy.nextPull(nowMs)) this.#open(pull);
  }

  reconnected(): void {
    this.#options.policy.lanes.reconnected();
    this.#surveys.soon();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakes.stop();
    await Promise.race([this.#surveys.stop(), pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    // A message that a pull brings after we left would be stuck until its ack wait. Each pull is answered soon.
    if (this.#options.policy.lanes.isOpen() && !this.#options.broker.nc.isClosed()) {
      const answered = new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
      await Promise.race([answered, pause(LAST_ANSWERS_MS, undefined, { ref: false })]);
    }
    this.#subscription[Symbol.dispose]();
    this.#stopHearing();
  }

  announceHandBack(tasks: Iterable<HandedBack>): void {
    const subjects = new Set<string>();
    for (const { definition, vo } of tasks) subjects.add(wakeSubject({ task: definition.name, vo }));
    for (const subject of subjects) this.#options.broker.nc.publish(subject);
  }

  #open({ lane, count, kind }: Pull): void {
    const { nc, outbox } = this.#options.broker;
    outbox.flush();
    const ends = kind === "standing" ? `"expires":${nanos(STANDS_MS)}` : `"no_wait":true`;
    nc.publish(PULL_SUBJECTS + lane.consumer, `{"batch":${count},${ends}}`, {
      reply: `${this.#inbox}.${lane.number}.${lane.pullNumber}`,
    });
  }

  /** Takes a message or a status for one of our pulls. The subject of a status is our inbox, that of a message is the task's. */
  #answer(message: Msg): void {
    this.#lastAnswerAtMs = performance.now();
    // A message may have any headers, even a status line, but its subject cannot be our inbox.
    if (message.subject.startsWith(this.#inbox)) this.#status(message);
    else this.#message(message);
    if (this.#onQuiet !== undefined && !this.#options.policy.lanes.isOpen()) this.#onQuiet();
  }

  #status(message: Msg): void {
    const [number, pull] = message.subject.slice(this.#inbox.length + 1).split(".");
    const lane = this.#known.numbered(Number(number));
    if (lane === undefined || lane.pullNumber !== Number(pull)) return;
    const { lanes } = this.#options.policy;
    const code = message.headers?.code;
    if (code === 503) void this.#create(lane);
    else if (code === 408 || (code === 404 && lane.state !== "standing")) lanes.emptied(lane, this.#lastAnswerAtMs);
    else lanes.refused(lane, this.#lastAnswerAtMs);
    this.#news();
  }

  /**
   * A pull that our NATS user may not make is answered by nobody. Until it counts as lost, it would keep the permits that it has asked for
   * from all other lanes.
   */
  #forbidden({ operation, subject }: ForbiddenError): void {
    if (operation !== "publish" || !subject.startsWith(PULL_SUBJECTS)) return;
    const consumer = subject.slice(PULL_SUBJECTS.length);
    for (const lane of this.#known) {
      if (lane.consumer !== consumer || (lane.state !== "pulling" && lane.state !== "standing")) continue;
      this.#options.policy.lanes.forbidden(lane, performance.now(), FORBIDDEN_PULL);
      this.#news();
    }
  }

  async #create(lane: Lane): Promise<void> {
    const { broker, policy } = this.#options;
    policy.lanes.lost(lane);
    try {
      // While it has no leader, another pull at once would find nobody again.
      if ((await createLaneConsumer(broker, lane)) === "was there") lane.refuseCreation(performance.now());
      else lane.create();
    } catch (cause) {
      broker.observer.note(`Cannot create consumer ${lane.consumer} yet`, { cause });
      lane.refuseCreation(performance.now(), refusalIn(cause));
    }
    this.#news();
  }

  #message(message: Msg): void {
    const ack = message.reply;
    if (ack === undefined) return;
    const lane = this.#known.ofSubject(message.subject);
    if (lane === undefined) return;
    const { policy, take, handBack } = this.#options;
    const delivery = readAckReply(ack);
    const nowMs = this.#lastAnswerAtMs;
    const askedBy = policy.lanes.delivered(lane, delivery, nowMs);
    const { headers, problem } = readHeaders(message);
    const isWithoutRoom = askedBy === "standing pull" && !policy.hasRoom(nowMs);
    const give = isWithoutRoom || lane.isPaused ? handBack : take;
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
      pulledAtMs: lane.pulledAtMs,
      untilMs: nowMs,
      held: undefined,
      starts: undefined,
    });
    this.#news();
  }

  #hear({ task, vo, sequence }: Wake): void {
    const lane = this.#known.find(task, vo);
    if (lane === undefined) return;
    lane.wake(sequence);
    // What comes to a standing pull comes by itself.
    if (lane.state !== "standing") this.#news();
  }

  /** Wakes another worker for each lane that has work which we cannot take. */
  #handOnWakes(): void {
    for (const lane of this.#known) {
      if (lane.isWanted) this.#options.broker.nc.publish(wakeSubject({ task: lane.definition.name, vo: lane.vo }));
    }
  }

  async #survey(): Promise<void> {
    const { broker, tasks, policy } = this.#options;
    policy.lanes.dropLostPulls(performance.now());
    try {
      const waiting = await countWaiting(broker, tasks);
      this.#lastAnswerAtMs = performance.now();
      for (const { task, vo } of waiting) this.#known.find(task, vo)?.find();
    } catch (cause) {
      broker.observer.note("Cannot list what waits yet", { cause });
      this.#lookAtStore();
    }
    policy.looked();
    this.#news();
  }

  /** Readiness hears soon where TASKS has no leader. */
  #lookAtStore(): void {
    const { storage, observer } = this.#options.broker;
    storage.look([TASKS]).catch((cause: unknown) => observer.note("Cannot look at the streams' stores yet", { cause }));
  }

  #news(): void {
    if (!this.#stopped) this.#options.onNews();
  }
}
