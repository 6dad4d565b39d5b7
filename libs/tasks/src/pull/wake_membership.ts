// Tested by libs/tasks/src/pull/wake_membership_test.ts
import type { WakeGroup } from "./wake_group.ts";

/** Time without room and without an ended task after which a worker leaves the wake group, ms, unless its tasks are short. */
const FULL_FOR_MS = 5;
/** Longest time in which all permits change hands at the present rate, ms, while tasks count as short. */
const SHORT_MS = 25;

/** What a membership is told of its worker. */
export interface WakeMembershipOptions {
  /** The time in which all permits change hands at the present rate, ms; Infinity: no task has ended lately. */
  turnMs(nowMs: number): number;
  /** Called when the worker left for lack of room, so that it can wake others for what it heard of. */
  onLeft(): void;
  /** The clock, ms. Default: `performance.now`. */
  readonly now?: () => number;
}

/**
 * Keeps a worker in the wake group while it can act on wakes. It leaves when it is full and its tasks are not short.
 *
 * Tasks of one length that began together end together. Between two such ends nothing ends, and the worker is full. If it left each time,
 * it would miss the wakes of most of the time, and find the tasks by a survey some 50 ms later. So where tasks are short it stays for
 * two of them.
 */
export class WakeMembership {
  readonly #group: WakeGroup;
  readonly #options: WakeMembershipOptions;
  readonly #now: () => number;
  /** When a task last ended. */
  #movedAtMs: number;
  #isFull = false;
  #looking: NodeJS.Timeout | undefined;

  /** Joins the group. */
  constructor(group: WakeGroup, options: WakeMembershipOptions) {
    this.#group = group;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#movedAtMs = this.#now();
    group.join();
  }

  /** A task has ended. */
  noteMove(): void {
    this.#movedAtMs = this.#now();
  }

  /** Joins again where there is room again. The worker has then missed the wakes of the time between. */
  noteRoom(room: number): "came back" | "as before" {
    if (room > 0) {
      this.#isFull = false;
      if (this.#group.joined) return "as before";
      this.#group.join();
      return "came back";
    }
    if (!this.#isFull) {
      this.#isFull = true;
      this.#lookLater();
    }
    return "as before";
  }

  /** Leaves for good. */
  stop(): void {
    clearTimeout(this.#looking);
    this.#group.leave();
  }

  #lookLater(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined;
      this.#look();
    }, FULL_FOR_MS);
  }

  #look(): void {
    if (!this.#isFull || !this.#group.joined) return;
    const nowMs = this.#now();
    const turnMs = this.#options.turnMs(nowMs);
    const staysMs = turnMs <= SHORT_MS ? Math.max(FULL_FOR_MS, 2 * turnMs) : FULL_FOR_MS;
    if (nowMs - this.#movedAtMs < staysMs) {
      this.#lookLater();
    } else {
      this.#group.leave();
      this.#options.onLeft();
    }
  }
}
