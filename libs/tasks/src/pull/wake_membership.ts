import type { WakeGroup } from "./wake_group.ts";

/** A worker without room in which no task has ended for so long leaves the wake group, ms. */
const FULL_FOR_MS = 5;

/** Keeps a worker in the wake group while it can act on what it hears: it leaves when it is full and its tasks are not short. */
export class WakeMembership {
  readonly #group: WakeGroup;
  readonly #onLeft: () => void;
  /** When a task last ended. */
  #movedAtMs = performance.now();
  #isFull = false;
  #looking: NodeJS.Timeout | undefined;

  /** Joins the group. `onLeft` is called when it was left for want of room: what was heard of is somebody else's to hear of. */
  constructor(group: WakeGroup, onLeft: () => void) {
    this.#group = group;
    this.#onLeft = onLeft;
    group.join();
  }

  /** A task has ended. */
  noteMove(): void {
    this.#movedAtMs = performance.now();
  }

  /** Comes back where there is room again; what was stored meanwhile was not heard of. */
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
    // Where tasks are short there is room every other moment.
    if (performance.now() - this.#movedAtMs < FULL_FOR_MS) {
      this.#lookLater();
    } else {
      this.#group.leave();
      this.#onLeft();
    }
  }
}
