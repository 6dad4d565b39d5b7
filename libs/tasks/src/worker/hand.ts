import { PRIORITIES, type Priority } from "../definition/task.ts";
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
  #items: (T | undefined)[] = [];
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
    // Cleared at once: what is still referred to here grows old, and old garbage costs the collector most.
    this.#items[this.#at] = undefined;
    this.#at++;
    if (this.#at > 1_000 && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }

  takeAll(): T[] {
    const items: T[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
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

  /** Whether a task of this or a higher priority is here. */
  holds(priority: Priority): boolean {
    const upTo = PRIORITIES.indexOf(priority) + 1;
    return [...this.#resumed.slice(0, upTo), ...this.#pulled.slice(0, upTo)].some((queue) => queue.size > 0);
  }

  takeAll(): readonly InHand[] {
    return [...this.#resumed, ...this.#pulled].flatMap((queue) => queue.takeAll());
  }

  /** The next in turn, if it is of a priority that may start now. */
  next(mayStart: (priority: Priority) => boolean): InHand | undefined {
    for (const [at, priority] of PRIORITIES.entries()) {
      const [resumed, pulled] = [this.#resumed[at], this.#pulled[at]];
      if (resumed === undefined || pulled === undefined || resumed.size + pulled.size === 0) continue;
      return mayStart(priority) ? (resumed.shift() ?? pulled.shift()) : undefined;
    }
    return undefined;
  }
}
