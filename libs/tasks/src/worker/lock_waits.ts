import type { Locks } from "../locks/locks.ts";
import { Roster } from "../run/roster.ts";
import type { InHand } from "./hand.ts";

/** The tasks in hand that wait for a lock, each for at most as long as its definition allows. */
export class LockWaits implements Iterable<InHand> {
  readonly #locks: Locks;
  readonly #onEnd: (task: InHand) => void;
  readonly #tasks = new Roster<InHand>();

  /** `onEnd` is called when a task has waited as long as its definition allows. */
  constructor(locks: Locks, onEnd: (task: InHand) => void) {
    this.#locks = locks;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#tasks.size;
  }

  [Symbol.iterator](): Iterator<InHand> {
    return this.#tasks[Symbol.iterator]();
  }

  /** Lets the task wait until its turn comes. Its turn may come before this returns. */
  begin(task: InHand): "waits" | "no place" {
    this.#tasks.add(task);
    if (!this.#locks.wait(task.waiter)) {
      this.#tasks.delete(task);
      return "no place";
    }
    const waitedMs = performance.now() - (task.waitsSinceMs ?? performance.now());
    const leftMs = Math.max(1, task.received.definition.lockWaitMs - waitedMs);
    task.waitLimit = setTimeout(() => this.#onEnd(task), leftMs).unref();
    return "waits";
  }

  /** Ends the task's wait. Returns whether it waited. */
  end(task: InHand): boolean {
    clearTimeout(task.waitLimit);
    return this.#tasks.delete(task);
  }
}
