import type { Priority } from "../definition/task.ts";
import { Buffer, type Buffered } from "./buffer.ts";
import type { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import type { Permits } from "./permits.ts";
import { Rate } from "./rate.ts";

/** A pull to be opened. */
export interface Pull {
  readonly lane: Lane;
  readonly count: number;
  /** Whether it is answered at once, or waits at the server for the next message. */
  readonly kind: "now" | "standing";
}

export interface PolicyOptions {
  readonly permits: Permits;
  /** Tasks in hand that have come and are not in the buffer yet. */
  arrived(): number;
  /** Tasks in hand that wait for a lock. */
  waiting(): number;
  /** Whether what has not begun is for others: nothing is pulled and nothing starts. */
  isClosed(): boolean;
  /** A VO's weight: its share of the turns. */
  weightOf(vo: string): number;
}

/**
 * Decides what a worker pulls, what it starts, and until when there is nothing to decide. It sees lanes, buffer and permits and nothing
 * else: no clock, no timer and no connection, so that each rule is tested without a server.
 *
 * After each piece of news ask `nextPull` until it has none, then `nextStart` until it has none; then there is nothing to do before more
 * news, or before `lookAgainAtMs`. Pulls come first, so that what is more urgent has been asked for before its permit is given away.
 *
 * The rules:
 * - Priorities are strict. Nothing is pulled while more of a higher priority is on its way than was asked for, and nothing starts on a
 *   permit that a task of a higher priority needs: each one that was asked for has a permit kept for it.
 * - VOs have turns by their weights, see `Ring`; also in the buffer.
 * - No more is in hand than the permits and what is consumed in 10 ms.
 * - A worker with nothing to do lets a pull wait at the server for the lane that was served last.
 */
export class Policy<T extends Buffered> {
  /** Whoever carries out pulls reports here what came. */
  readonly lanes: Lanes;
  /** Whoever takes tasks in hand puts them here. */
  readonly buffer: Buffer<T>;
  /** Whoever runs tasks counts here those that ended. */
  readonly rate = new Rate();
  readonly #options: PolicyOptions;
  #isBlind = false;
  #lookAgainAtMs = Number.POSITIVE_INFINITY;

  constructor(options: PolicyOptions) {
    this.#options = options;
    this.lanes = new Lanes(options.weightOf);
    this.buffer = new Buffer(options.weightOf);
  }

  /** How many more tasks would be taken in hand now, those among them that were asked for. */
  room(nowMs: number): number {
    const { permits, isClosed, arrived } = this.#options;
    if (isClosed()) return 0;
    return permits.free + this.rate.prefetch(nowMs) - this.buffer.size - arrived();
  }

  /** Whether what a standing pull has brought finds room: when it was opened there was some, and since then something else may have come. */
  hasRoom(nowMs: number): boolean {
    return this.room(nowMs) > this.lanes.asked();
  }

  /**
   * Nothing is pulled until `look`: it is not known what waits. Else a lane that is known to have work would be served before one of a higher
   * priority that nobody has told of.
   */
  lookFirst(): void {
    this.#isBlind = true;
  }

  /** It is known what waits. */
  looked(): void {
    this.#isBlind = false;
  }

  /** The next pull to be opened, which counts as open from now on; undefined: none. */
  nextPull(nowMs: number): Pull | undefined {
    this.#lookAgainAtMs = Number.POSITIVE_INFINITY;
    if (this.#isBlind) return undefined;
    const wish = this.lanes.takeWish();
    if (wish !== undefined && this.#isIdle()) return this.#stand(wish, nowMs);
    const all = this.room(nowMs);
    const room = all - this.lanes.asked();
    if (room <= 0) return undefined;
    for (const ring of this.lanes.rings) {
      ring.look(nowMs);
      if (ring.working === 0) continue;
      if (this.#hasEnough(ring.priority, nowMs)) return undefined;
      this.#lookAgainAtMs = Math.min(this.#lookAgainAtMs, ring.lookAgainAtMs);
      if (ring.next !== undefined) {
        // Many VOs get small turns and one VO gets large ones.
        const turn = Math.ceil(all / ring.working) * this.lanes.weightOf(ring.next);
        return this.#pull(ring.next, Math.max(1, Math.min(room, turn, ring.next.known)), nowMs);
      }
      if (ring.holdsBack()) return undefined;
    }
    const hot = this.lanes.hot(nowMs);
    return hot !== undefined && this.#isIdle() ? this.#stand(hot, nowMs) : undefined;
  }

  /** The next task to be started, which is out of the buffer from now on; undefined: none may start. */
  nextStart(): T | undefined {
    const { permits, isClosed } = this.#options;
    if (permits.free <= 0 || isClosed()) return undefined;
    // The permits that are kept are free for one round trip.
    return this.buffer.next((priority) => permits.free > this.lanes.awaitedAbove(priority));
  }

  /** Takes a task that has not begun out of the buffer, to give it back. */
  withdraw(): T | undefined {
    return this.buffer.next(() => true);
  }

  /** When there is something to decide again without any news, by `performance.now()`; Infinity: never. */
  get lookAgainAtMs(): number {
    return this.#lookAgainAtMs;
  }

  /** Whether so much of this priority, or of higher ones, is ready in hand that a pull may wait until it is for more than a task or two. */
  #hasEnough(priority: Priority, nowMs: number): boolean {
    return this.room(nowMs) < this.rate.prefetch(nowMs) / 2 && this.buffer.holds(priority);
  }

  /** Whether nothing is in hand and nothing asked for, and something may be. */
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
