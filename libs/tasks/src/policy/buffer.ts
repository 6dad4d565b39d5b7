import { PRIORITIES, type Priority } from "../definition/traits.ts";
import { Fifo, Lines } from "./lines.ts";

/** The fields of a task in hand that the policy reads. */
export interface Buffered {
  readonly received: {
    readonly definition: { readonly priority: Priority };
    readonly subject: string;
    readonly vo: string;
  };
}

/**
 * Tasks that have been pulled and have no permit yet. The order is by priority. Within a priority, tasks whose lock has come free are
 * before newly pulled ones, and among those the VOs take turns.
 */
export class Buffer<T extends Buffered> {
  readonly #waiting;

  /** A VO's turn has as many tasks as the VO's weight. */
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

  /** Adds a task whose turn for its lock has come. It is taken before newly pulled ones. */
  resume(task: T): void {
    this.#waiting[PRIORITIES.indexOf(task.received.definition.priority)]?.resumed.push(task);
  }

  /**
   * Takes out all tasks that `isOut` names, and returns them. The others stay in their order, each by the priority that it has now: the
   * configuration may have given it another one.
   */
  sift(isOut: (task: T) => boolean): readonly T[] {
    const out: T[] = [];
    const stay: { readonly task: T; readonly as: "resumed" | "pulled" }[] = [];
    for (const line of this.#waiting) {
      for (const as of ["resumed", "pulled"] as const) {
        for (let task = line[as].shift(); task !== undefined; task = line[as].shift()) {
          if (isOut(task)) out.push(task);
          else stay.push({ task, as });
        }
      }
    }
    for (const { task, as } of stay) {
      if (as === "resumed") this.resume(task);
      else this.add(task);
    }
    return out;
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
