import { PRIORITIES, type Priority } from "../definition/task.ts";
import { Fifo, Lines } from "./lines.ts";

/** What the policy looks at of a task in hand. */
export interface Buffered {
  readonly received: {
    readonly definition: { readonly priority: Priority };
    readonly subject: string;
    readonly vo: string;
  };
}

/** Tasks that have been pulled and have no permit yet: by priority, those whose lock has come free before the newly pulled, VOs in turn. */
export class Buffer<T extends Buffered> {
  readonly #waiting;

  /** A VO has turns of as many tasks as its weight. */
  constructor(weightOf: (vo: string) => number) {
    this.#waiting = PRIORITIES.map((priority) => ({
      priority,
      resumed: new Fifo<T>(),
      pulled: new Lines<T>(({ received }) => weightOf(received.vo)),
    }));
  }

  get size(): number {
    let size = 0;
    for (const { resumed, pulled } of this.#waiting) size += resumed.size + pulled.size;
    return size;
  }

  add(task: T): void {
    const { definition, subject } = task.received;
    this.#waiting[PRIORITIES.indexOf(definition.priority)]?.pulled.push(subject, task);
  }

  /** Puts a task whose turn for its lock has come before those that were just pulled. */
  resume(task: T): void {
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
  next(mayStart: (priority: Priority) => boolean): T | undefined {
    for (const { priority, resumed, pulled } of this.#waiting) {
      if (resumed.size + pulled.size === 0) continue;
      return mayStart(priority) ? (resumed.shift() ?? pulled.shift()) : undefined;
    }
    return undefined;
  }
}
