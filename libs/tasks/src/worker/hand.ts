import { PRIORITIES, type Priority } from "../definition/task.ts";
import type { Waiter } from "../locks/waiting_room.ts";
import { Fifo, Lines } from "./lines.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import type { Listed } from "../run/roster.ts";

/** A task in hand and its place in line for its locks. */
export interface InHand extends Listed {
  readonly received: ReceivedTask;
  readonly waiter: Waiter;
  /** When it first had to wait for a lock, by `performance.now()`. */
  waitsSinceMs: number | undefined;
  /** Ends its wait for a lock, wherever it stands in line. */
  waitLimit: NodeJS.Timeout | undefined;
}

/** Tasks that have been pulled and have no permit yet: by priority, those whose lock has come free before the newly pulled, VOs in turn. */
export class Buffer {
  readonly #waiting = PRIORITIES.map((priority) => ({
    priority,
    resumed: new Fifo<InHand>(),
    pulled: new Lines<InHand>(),
  }));

  get size(): number {
    let size = 0;
    for (const { resumed, pulled } of this.#waiting) size += resumed.size + pulled.size;
    return size;
  }

  add(task: InHand): void {
    const { definition, subject } = task.received;
    this.#waiting[PRIORITIES.indexOf(definition.priority)]?.pulled.push(subject, task);
  }

  /** Puts a task whose turn for its lock has come before those that were just pulled. */
  resume(task: InHand): void {
    this.#waiting[PRIORITIES.indexOf(task.received.definition.priority)]?.resumed.push(task);
  }

  /** Whether a task of this or a higher priority is here. */
  holds(lowest: Priority): boolean {
    for (const { priority, resumed, pulled } of this.#waiting) {
      if (resumed.size + pulled.size > 0) return true;
      if (priority === lowest) break;
    }
    return false;
  }

  /** The next in turn, if it is of a priority that may start now. */
  next(mayStart: (priority: Priority) => boolean): InHand | undefined {
    for (const { priority, resumed, pulled } of this.#waiting) {
      if (resumed.size + pulled.size === 0) continue;
      return mayStart(priority) ? (resumed.shift() ?? pulled.shift()) : undefined;
    }
    return undefined;
  }
}
