import { Buffer, type Buffered } from "./buffer.ts";
import type { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import type { Permits } from "./permits.ts";
import { Rate } from "./rate.ts";
import type { Ring } from "./ring.ts";

/** Least prefetch of which one place is kept for a more urgent task. */
const PLACE_FROM = 2;

/** A pull to be opened. */
export interface Pull {
  readonly lane: Lane;
  readonly count: number;
  /** Whether it is answered at once, or waits at the server for the next message. */
  readonly kind: "now" | "standing";
}

export interface PolicyOptions {
  readonly permits: Permits;
  /** Tasks in hand that have arrived and are not in the buffer yet. */
  arrived(): number;
  /** Tasks in hand that wait for a lock. */
  waiting(): number;
  /** Whether the worker takes no tasks. Then nothing is pulled and nothing starts. */
  isClosed(): boolean;
  /** A VO's weight, which is its share of the turns. */
  weightOf(vo: string): number;
  /** Whether several servers agree on each delivery. Then a pull costs the more the smaller it is, and more is pulled ahead (decision 105). */
  isReplicated(): boolean;
}

/** What is pulled ahead where deliveries are replicated, as a multiple of the prefetch elsewhere. */
const REPLICATED_TIMES = 6;
/** Most tasks that are pulled ahead for that reason alone. A worker's board of heartbeats has room for twice as many. */
const REPLICATED_MOST = 500;

/**
 * Decides what a worker pulls, what it starts, and until when there is nothing to decide. It sees only lanes, buffer and permits. It
 * has no clock, no timer and no connection, so that each rule is tested without a server.
 *
 * After each piece of news, call `nextPull` until it returns undefined, then `nextStart` until it does. Then there is nothing to do
 * until more news comes, or until `lookAgainAtMs`. Pulls are first, so that a more urgent task has been asked for before a less urgent
 * one gets its permit.
 *
 * The rules:
 * - Priorities are strict. Nothing is pulled while more tasks of a higher priority wait than were asked for. Each task that was asked
 *   for has a permit kept for it, and no task of a lower priority starts on that permit.
 * - VOs take turns by their weights, see `Ring`. They do so in the buffer too.
 * - A lane whose tasks are paused is not pulled and holds nobody back.
 * - A worker has in hand at most its permits and what it consumes in 10 ms; in 60 ms where deliveries are replicated. Of the latter one place is kept for a more urgent task, so that
 *   such a task is in hand when the next permit comes free.
 * - A worker with nothing to do keeps a standing pull open for the lane that was served last.
 */
export class Policy<T extends Buffered> {
  /** Written by the task source, which carries out pulls and reports what came. */
  readonly lanes: Lanes;
  /** Filled by the worker with the tasks that it takes in hand. */
  readonly buffer: Buffer<T>;
  /** Written by the worker, which counts each task that ended. */
  readonly rate = new Rate();
  readonly #options: PolicyOptions;
  /** Whether nobody knows what waits, so that nothing is pulled. */
  #isBlind = false;
  #lookAgainAtMs = Number.POSITIVE_INFINITY;

  constructor(options: PolicyOptions) {
    this.#options = options;
    this.lanes = new Lanes(options.weightOf);
    this.buffer = new Buffer(options.weightOf);
  }

  /** How many more tasks may be taken in hand now. Tasks that were asked for are among them. */
  room(nowMs: number): number {
    const { permits, isClosed, arrived } = this.#options;
    if (isClosed()) return 0;
    return permits.free + this.#prefetch(nowMs) - this.buffer.size - arrived();
  }

  /** Whether the message of a standing pull finds room. There was room when it was opened, but other tasks may have come since. */
  hasRoom(nowMs: number): boolean {
    return this.room(nowMs) > this.lanes.asked();
  }

  /** The time in which all permits change hands at the present rate, ms; Infinity: no task has ended lately. */
  turnMs(nowMs: number): number {
    return this.#options.permits.usable / this.rate.perMs(nowMs);
  }

  /**
   * Pulls nothing until `looked`, since nobody knows what waits. Otherwise a lane that is known to have work would be served before one
   * of a higher priority whose work is not known yet.
   */
  lookFirst(): void {
    this.#isBlind = true;
  }

  /** A survey has told what waits: pulls again. */
  looked(): void {
    this.#isBlind = false;
  }

  /** Returns the next pull to open, which counts as open from now on; undefined: none. */
  nextPull(nowMs: number): Pull | undefined {
    this.#lookAgainAtMs = Number.POSITIVE_INFINITY;
    if (this.#isBlind) return undefined;
    const wish = this.lanes.takeWish();
    if (wish !== undefined && this.#isIdle()) return this.#stand(wish, nowMs);
    const all = this.room(nowMs);
    let room = all - this.lanes.asked();
    let places = this.rate.prefetch(nowMs) < PLACE_FROM ? 0 : 1;
    for (const ring of this.lanes.rings) {
      if (room <= 0) return undefined;
      ring.look(nowMs);
      if (ring.working === 0) {
        if (!ring.isEmpty) {
          room -= places;
          places = 0;
        }
        continue;
      }
      if (this.#hasEnough(ring, nowMs)) return undefined;
      this.#lookAgainAtMs = Math.min(this.#lookAgainAtMs, ring.lookAgainAtMs);
      if (ring.next !== undefined) {
        // Many VOs get small turns. A single VO gets large ones.
        const turn = Math.ceil(all / ring.working) * this.lanes.weightOf(ring.next);
        return this.#pull(ring.next, Math.max(1, Math.min(room, turn, ring.next.known)), nowMs);
      }
      if (ring.holdsBack()) return undefined;
    }
    const hot = this.lanes.hot(nowMs);
    return hot !== undefined && this.#isIdle() ? this.#stand(hot, nowMs) : undefined;
  }

  /** Takes the next task to start out of the buffer; undefined: none may start. */
  nextStart(): T | undefined {
    const { permits, isClosed } = this.#options;
    if (permits.free <= 0 || isClosed()) return undefined;
    // A permit that is kept for a pulled task stays free for one round trip.
    return this.buffer.next((priority) => permits.free > this.lanes.awaitedAbove(priority));
  }

  /** Takes a task that has not begun out of the buffer, so that it can be handed back. */
  withdraw(): T | undefined {
    return this.buffer.next(() => true);
  }

  /** When there is something to decide again even without news, by `performance.now()`; Infinity: never. */
  get lookAgainAtMs(): number {
    return this.#lookAgainAtMs;
  }

  /** Tasks to hold ready beyond the free permits. */
  #prefetch(nowMs: number): number {
    const usual = this.rate.prefetch(nowMs);
    if (!this.#options.isReplicated()) return usual;
    return Math.max(usual, Math.min(usual * REPLICATED_TIMES, REPLICATED_MOST));
  }

  /**
   * Whether enough tasks of this priority or a higher one are in hand. Then a pull waits until it can ask for more than a task or two. Where
   * several lanes have work it waits no longer than without replication, since one of them may have nothing in hand.
   */
  #hasEnough({ priority, working }: Ring, nowMs: number): boolean {
    const prefetch = working === 1 ? this.#prefetch(nowMs) : this.rate.prefetch(nowMs);
    return this.room(nowMs) < prefetch / 2 && this.buffer.holds(priority);
  }

  /** Whether the worker takes tasks, has none in hand and has asked for none. */
  #isIdle(): boolean {
    const { permits, arrived, waiting, isClosed } = this.#options;
    if (isClosed()) return false;
    return permits.taken + this.buffer.size + arrived() + waiting() === 0 && !this.lanes.isOpen();
  }

  #pull(lane: Lane, count: number, nowMs: number): Pull {
    this.lanes.pull(lane, count, nowMs);
    return { lane, count, kind: "now" };
  }

  #stand(lane: Lane, nowMs: number): Pull {
    this.lanes.stand(lane, nowMs);
    return { lane, count: 1, kind: "standing" };
  }
}
