import { PRIORITIES } from "../definition/task.ts";
import type { Waiter } from "../locks/waiting_room.ts";
import type { ReceivedTask } from "./received_task.ts";

/** A task in hand and its place in line for its locks. */
export interface InHand {
  readonly received: ReceivedTask;
  readonly waiter: Waiter;
  /** When it first had to wait for a lock, by `performance.now()`. */
  waitsSinceMs: number | undefined;
  /** Ends its wait for a lock, wherever it stands in line. */
  waitLimit: NodeJS.Timeout | undefined;
}

/** First in, first out, without moving the rest at each take. */
class Fifo<T> {
  #items: T[] = [];
  #at = 0;

  get size(): number {
    return this.#items.length - this.#at;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#at];
    if (item === undefined) return undefined;
    this.#at++;
    if (this.#at > 1_000 && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }
}

/** Tasks that have been pulled and have no permit yet: by priority, those whose lock has come free before the newly pulled. */
export class Buffer {
  readonly #resumed = PRIORITIES.map(() => new Fifo<InHand>());
  readonly #pulled = PRIORITIES.map(() => new Fifo<InHand>());

  get size(): number {
    let size = 0;
    for (const queue of this.#resumed) size += queue.size;
    for (const queue of this.#pulled) size += queue.size;
    return size;
  }

  add(task: InHand): void {
    this.#pulled[PRIORITIES.indexOf(task.received.definition.priority)]?.push(task);
  }

  /** Puts a task whose turn for its lock has come before those that were just pulled. */
  resume(task: InHand): void {
    this.#resumed[PRIORITIES.indexOf(task.received.definition.priority)]?.push(task);
  }

  next(): InHand | undefined {
    for (let priority = 0; priority < PRIORITIES.length; priority++) {
      const task = this.#resumed[priority]?.shift() ?? this.#pulled[priority]?.shift();
      if (task !== undefined) return task;
    }
    return undefined;
  }
}
