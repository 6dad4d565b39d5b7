import type { WakeGroup } from "./wake_group.ts";

/** Time without room and without an ended task after which a worker leaves the wake group, ms. */
const FULL_FOR_MS = 5;

/** Keeps a worker in the wake group while it can act on wakes. It leaves when it is full and its tasks are not short. */
export class WakeMembership {
  readonly #group: WakeGroup;
  readonly #onLeft: () => void;
  /** When a task last ended. */
  #movedAtMs = performance.now();
  #isFull = false;
  #looking: NodeJS.Timeout | undefined;

  /** Joins the group. `onLeft` is called when the worker left for lack of room, so that it can wake others for what it heard of. */
  constructor(group: WakeGroup, onLeft: () => void) {
    this.#group = group;
    this.#onLeft = onLeft;
    group.join();
  }

  /** A task has ended. */
  noteMove(): void {
    this.#movedAtMs = performance.now();
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
    // Where tasks are short, room comes back within milliseconds.
    if (performance.now() - this.#movedAtMs < FULL_FOR_MS) {
      this.#lookLater();
    } else {
      this.#group.leave();
      this.#onLeft();
    }
  }
}
