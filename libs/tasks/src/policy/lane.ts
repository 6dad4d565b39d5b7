import type { AnyTask } from "../definition/task.ts";

/**
 * Rests of a lane that was found empty although a wake had announced a message, ms, one for each miss in a row. The wake was faster
 * than the consumer's own count.
 */
const OVERTAKEN_MS = [2, 4, 8];
/** Rest of a lane whose pull was refused, ms. */
const REFUSED_REST_MS = 200;
/** Rest of a lane that our NATS user may not pull from, ms. Each try is a line in the log of nats-server. */
const FORBIDDEN_REST_MS = 5_000;
/** Rest of a lane whose consumer could not be created or has no leader, ms. */
const NOT_CREATED_REST_MS = 1_000;
/** `madeAtMs` of a consumer whose time of creation is not known. */
const UNKNOWN = Number.POSITIVE_INFINITY;

export type LaneState = "idle" | "ready" | "pulling" | "standing" | "creating" | "resting";

/** What a lane is made of. Of these only `definition` changes. */
export interface LaneIdentity {
  readonly number: number;
  /** The task as the configuration has it for this VO: its priority, timeout and retry policy may differ from those of its code. */
  readonly definition: AnyTask;
  readonly vo: string;
  /** The consumer's name, `<TaskName>__<vo, escaped>`. It is wire format, shared by all workers. */
  readonly consumer: string;
  /** The one subject that the consumer filters on. */
  readonly subject: string;
}

/** The fields of a delivery that say something about its lane. */
export interface LaneDelivery {
  /** How often the message was delivered, 1 first. */
  readonly count: number;
  readonly streamSequence: number;
  /** Messages that the server still holds for the lane. */
  readonly pending: number;
}

/**
 * One durable pull consumer for one task name and one VO, as this worker knows it. Only this file writes its fields.
 *
 * States:
 *   idle      No message is known to wait there.
 *   ready     Messages probably wait there, and it may be pulled.
 *   pulling   A pull is open that the server answers at once. `asked` of its messages are not here yet.
 *   standing  A pull is open that waits at the server for the next message.
 *   creating  Its consumer is missing and is being made.
 *   resting   It is not pulled before `restsUntilMs`.
 *
 * Transitions:
 *   idle -> ready                   a wake, a survey or a hand-back tells of messages (`wake`, `find`)
 *   ready -> pulling                a pull is opened (`pull`)
 *   idle, ready, resting -> standing  a standing pull is opened (`stand`)
 *   pulling -> ready, idle          all messages that were asked for have come (`deliver`), or none is left (`empty`)
 *   pulling -> resting              nothing was there although a wake had told of a message (`empty`)
 *   standing -> ready, idle         its message has come (`deliver`), or none came in time (`empty`)
 *   pulling, standing -> creating   there is no consumer (`lose`)
 *   pulling, standing -> resting    the pull was refused (`refuse`), or our NATS user may not make it (`forbid`)
 *   creating -> ready               the consumer was made (`create`)
 *   creating -> resting             the consumer could not be made, or has no leader (`refuseCreation`)
 *   resting -> ready, idle          the rest is over (`look`)
 *   idle, pulling, standing -> ready  the open pull will not be answered any more (`giveUp`)
 *
 * News of messages is kept in every state. It takes effect once the lane is ready or idle.
 *
 * In every state a lane may be paused: then it is not pulled, and holds no other lane back.
 */
export class Lane implements LaneIdentity {
  readonly number: number;
  readonly vo: string;
  readonly consumer: string;
  readonly subject: string;
  #definition: AnyTask;
  #isPaused = false;
  #state: LaneState = "ready"; // nobody knows yet whether messages wait in a new lane
  /** Messages that the server holds for the lane, as last known. */
  #pending = 0;
  /** Whether to pull until the server says that nothing is left. `#pending` does not count messages that were handed back. */
  #untilEmpty = true;
  #asked = 0;
  #pull = 0;
  #pulledAtMs = 0;
  #restsUntilMs = 0;
  /** Pulls in a row that found nothing of what a wake had announced. */
  #misses = 0;
  #granted = 0;
  /** What one message adds to `#granted`: 1 by the VO's weight at the time of the pull. */
  #share = 1;
  /** Whether it had no work until now. Then it does not make up for what other lanes had meanwhile. */
  #joins = true;
  /** Highest stream sequence that was delivered here. */
  #deliveredSequence = 0;
  /** Highest stream sequence that a wake has announced. */
  #wokenSequence = 0;
  #seenAtMs: number | undefined;
  #refusal: string | undefined;
  #madeAtMs = UNKNOWN;
  /** The consumer's own count at the newest delivery here. */
  #consumerSequence = 0;

  constructor({ number, definition, vo, consumer, subject }: LaneIdentity) {
    this.number = number;
    this.#definition = definition;
    this.vo = vo;
    this.consumer = consumer;
    this.subject = subject;
  }

  get definition(): AnyTask {
    return this.#definition;
  }

  get state(): LaneState {
    return this.#state;
  }

  /** Whether its tasks are paused, so that none is to be taken. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether the server probably holds messages for this lane. */
  get hasWork(): boolean {
    return this.#pending > 0 || this.#untilEmpty;
  }

  /** Whether it has work that may be taken. */
  get isWanted(): boolean {
    return this.hasWork && !this.#isPaused;
  }

  /** Messages that wait there, as far as is known; Infinity: pull until nothing is left. */
  get known(): number {
    return this.#untilEmpty ? Number.POSITIVE_INFINITY : this.#pending;
  }

  /** Messages asked for by the open pull and not yet here. */
  get asked(): number {
    return this.#asked;
  }

  /** Number of the newest pull. It tells late answers to older pulls apart. */
  get pullNumber(): number {
    return this.#pull;
  }

  /** When the newest pull was opened, by `performance.now()`. */
  get pulledAtMs(): number {
    return this.#pulledAtMs;
  }

  get restsUntilMs(): number {
    return this.#restsUntilMs;
  }

  /** Messages that have come or are asked for, each divided by its VO's weight. For a time without work it rises to what the others had. */
  get granted(): number {
    return this.#granted;
  }

  /** When its consumer was last seen, by `performance.now()`; undefined: never, or the server was restarted since. */
  get seenAtMs(): number | undefined {
    return this.#seenAtMs;
  }

  /**
   * Why JetStream refused to create its consumer, or nats-server to let us pull, as last heard; undefined: neither did, or the consumer has
   * been seen since.
   */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** When its consumer was made, by the server's clock, ms since the epoch; Infinity: not known. */
  get madeAtMs(): number {
    return this.#madeAtMs;
  }

  /** Whether a wake has told of a message that no pull has brought yet. */
  get isOvertaken(): boolean {
    return this.#wokenSequence > this.#deliveredSequence;
  }

  /** Whether a pull is open, and more messages wait there than it asks for. */
  get isMoreComing(): boolean {
    return this.#state === "pulling" && this.known > this.#asked && !this.#isPaused;
  }

  /** Whether it has work and is pulled within milliseconds: its consumer is being made, or an announced message is not there yet. */
  get isPulledSoon(): boolean {
    return this.isWanted && (this.#state === "creating" || this.#misses > 0);
  }

  /** Ends a rest whose time is over. */
  look(nowMs: number): void {
    if (this.#state === "resting" && this.#restsUntilMs <= nowMs) this.#settle();
  }

  /** Takes its place among lanes with work. A lane that had none begins at `floor`, so that it does not make up for that time. */
  join(floor: number): void {
    if (this.#joins && this.#granted < floor) this.#granted = floor;
    this.#joins = false;
  }

  /** The configuration has another definition for it. A lane of another priority begins there like one that had no work. */
  redefine(definition: AnyTask): void {
    if (definition.priority !== this.#definition.priority) {
      this.#granted = 0;
      this.#joins = true;
    }
    this.#definition = definition;
  }

  /** Its tasks are paused. An open pull may still bring some, which go back. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Its tasks are not paused any more. It does not make up for the time of the pause. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#joins = true;
    // What was handed back is not counted, and wakes may have gone by.
    this.#untilEmpty = true;
    if (this.#state === "idle") this.#settle();
  }

  /** A wake has told of the message with this sequence; undefined: of a message that was handed back. */
  wake(sequence: number | undefined): void {
    if (this.#state === "standing") {
      // The standing pull brings the message.
      this.#wokenSequence = Math.max(this.#wokenSequence, sequence ?? 0);
      return;
    }
    if (sequence === undefined) {
      this.#untilEmpty = true;
    } else if (sequence > this.#deliveredSequence) {
      this.#pending++;
      this.#wokenSequence = Math.max(this.#wokenSequence, sequence);
    }
    if (this.#state === "idle") this.#settle();
  }

  /** A survey has found messages. They may all be in the hand of some worker. */
  find(): void {
    if (this.hasWork || this.#state === "standing") return;
    this.#untilEmpty = true;
    if (this.#state === "idle") this.#settle();
  }

  /** A pull for `count` messages is opened. */
  pull(count: number, weight: number, nowMs: number): void {
    this.#state = "pulling";
    this.#asked = count;
    this.#pull++;
    this.#pulledAtMs = nowMs;
    this.#share = 1 / weight;
    this.#granted += count * this.#share;
  }

  /** A pull is opened that waits for the next message. */
  stand(weight: number, nowMs: number): void {
    this.#state = "standing";
    this.#pull++;
    this.#pulledAtMs = nowMs;
    this.#share = 1 / weight;
    this.#pending = 0;
    this.#untilEmpty = false;
    this.#misses = 0;
  }

  /** A message has come. */
  deliver({ count, streamSequence, pending }: LaneDelivery, nowMs: number): void {
    // A message that comes late, from a pull that was given up, is counted again: `#endPull` had taken it off.
    if (this.#asked > 0) this.#asked--;
    else this.#granted += this.#share;
    this.#misses = 0;
    this.#noteSeen(nowMs);
    if (count === 1 && streamSequence < this.#deliveredSequence) {
      // First deliveries come in order. So the stream was created anew and counts from 1 again.
      this.#deliveredSequence = streamSequence;
      this.#wokenSequence = streamSequence;
    }
    this.#deliveredSequence = Math.max(this.#deliveredSequence, streamSequence);
    // The server's count may be older than the wake.
    this.#pending = this.isOvertaken ? Math.max(pending, 1) : pending;
    if (count > 1) this.#untilEmpty = true;
    if (this.#asked === 0 && this.#state !== "creating" && this.#state !== "resting") this.#settle();
  }

  /** The open pull was answered: nothing is left there. */
  empty(nowMs: number): void {
    const { isOvertaken } = this;
    const restMs = this.#state === "pulling" && isOvertaken ? OVERTAKEN_MS[this.#misses] : undefined;
    const looksAgain = this.#state === "standing" && isOvertaken;
    this.#endPull();
    this.#noteSeen(nowMs);
    if (restMs !== undefined) {
      this.#misses++;
      this.#rest(nowMs + restMs);
      return;
    }
    // The message of the wake went to another worker.
    this.#deliveredSequence = Math.max(this.#deliveredSequence, this.#wokenSequence);
    this.#misses = 0;
    // Or it came just after a standing pull had ended, which one more pull will show.
    this.#pending = looksAgain ? 1 : 0;
    this.#untilEmpty = false;
    this.#settle();
  }

  /** The open pull was refused: the consumer was deleted meanwhile, its leader changed, or too many pulls are open. */
  refuse(nowMs: number): void {
    this.#endPull();
    this.#untilEmpty = true;
    this.#rest(nowMs + REFUSED_REST_MS);
  }

  /** Our NATS user may not pull from it, so the open pull reached nobody. `refusal` says so, with what to do. */
  forbid(nowMs: number, refusal: string): void {
    this.#endPull();
    this.#untilEmpty = true;
    this.#refusal = refusal;
    this.#rest(nowMs + FORBIDDEN_REST_MS);
  }

  /** The open pull found no consumer. The caller makes one. */
  lose(): void {
    this.#endPull();
    this.#untilEmpty = true;
    this.#state = "creating";
  }

  /** The consumer was made. */
  create(): void {
    if (this.#state === "creating") this.#settle();
  }

  /** The consumer could not be made. `refusal` is JetStream's reason, if it gave one. */
  refuseCreation(nowMs: number, refusal?: string): void {
    this.#refusal = refusal;
    if (this.#state === "creating") this.#rest(nowMs + NOT_CREATED_REST_MS);
  }

  /** The open pull brings nothing any more, and nobody knows what waits there. */
  giveUp(): void {
    this.#endPull();
    this.#pull++;
    this.#untilEmpty = true;
    if (this.#state !== "creating" && this.#state !== "resting") this.#settle();
  }

  /** The server may have been restarted. Then its consumers are gone although nobody deleted them. */
  forgetConsumer(): void {
    this.#seenAtMs = undefined;
  }

  /** The consumer was made, or found, just now. `madeAtMs` is by the server's clock. */
  noteConsumer(madeAtMs: number, nowMs: number): void {
    this.#madeAtMs = madeAtMs;
    this.#consumerSequence = 0;
    this.#noteSeen(nowMs);
  }

  /** The caller has learned when the consumer was made. */
  noteMade(madeAtMs: number): void {
    this.#madeAtMs = madeAtMs;
  }

  /** Takes the consumer's own count at a delivery. It only grows: a lower one comes from a new consumer, made at an unknown time. */
  noteCount(consumerSequence: number): void {
    if (consumerSequence <= this.#consumerSequence) this.#madeAtMs = UNKNOWN;
    this.#consumerSequence = consumerSequence;
  }

  #noteSeen(nowMs: number): void {
    this.#seenAtMs = nowMs;
    this.#refusal = undefined;
  }

  #settle(): void {
    this.#state = this.hasWork ? "ready" : "idle";
    if (this.#state === "idle") this.#joins = true;
  }

  #rest(untilMs: number): void {
    this.#state = "resting";
    this.#restsUntilMs = untilMs;
  }

  /** Ends the pull. Messages that it has not brought do not count as granted. */
  #endPull(): void {
    this.#granted -= this.#asked * this.#share;
    this.#asked = 0;
  }
}
