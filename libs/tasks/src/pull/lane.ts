import { type AnyTask, PRIORITIES, type Priority } from "../definition/task.ts";

/** One durable pull consumer for one task name and one VO, as this worker knows it. */
export interface Lane {
  readonly number: number;
  readonly definition: AnyTask;
  readonly vo: string;
  /** The consumer's name, `<TaskName>__<vo, escaped>`: wire format, shared by all workers. */
  readonly consumer: string;
  /** The one subject it filters on. */
  readonly subject: string;
  /** Messages that the server was last known to hold for this lane. */
  pending: number;
  /** Handed-back messages are not counted in `pending`: pull until the server says there are none. */
  untilEmpty: boolean;
  /** Messages asked for by the open pull and not yet here; 0: no pull is open. */
  asked: number;
  /** Number of the newest pull, so that late answers to older ones are told apart. */
  pull: number;
  pulledAtMs: number;
  /** When its consumer was last there, by `performance.now()`; undefined: not yet. */
  seenAtMs: number | undefined;
  /** Messages delivered here, by its VO's weight; for a time without work, as many as the others had. */
  served: number;
  /** Whether it had no work when its ring was last looked through. */
  isIdle: boolean;
  /** Highest stream sequence delivered here, and highest announced by a wake. */
  deliveredSequence: number;
  wokenSequence: number;
  /** When its consumer was made, by the server's clock, ms since the epoch; infinite: not known. */
  madeAtMs: number;
  /** The consumer's own count at the newest delivery here. */
  consumerSequence: number;
  /** How often a wake's message was not there yet. */
  misses: number;
  /** No pull before this time: the consumer is being created, or a wake overtook it. */
  restUntilMs: number;
}

/** Whether the server is thought to hold messages for this lane. */
export function hasWork(lane: Lane): boolean {
  return lane.pending > 0 || lane.untilEmpty;
}

/** Lanes of one priority, of which the one that was served least is next. */
export class Ring {
  /** Messages asked for by open pulls and not yet here. */
  asked = 0;
  readonly priority: Priority;
  readonly #lanes: Lane[] = [];

  /** What the lane had been served that was next last. */
  #served = 0;

  constructor(priority: Priority) {
    this.priority = priority;
  }

  add(lane: Lane): void {
    this.#lanes.push(lane);
  }

  remove(lane: Lane): void {
    const at = this.#lanes.indexOf(lane);
    if (at >= 0) this.#lanes.splice(at, 1);
  }

  /** Lanes that have work, whether a pull is open or not. */
  working(): number {
    let count = 0;
    for (const lane of this.#lanes) if (hasWork(lane)) count++;
    return count;
  }

  /** Whether more of this priority is on its way than was asked for, so that lower ones must not take the room it needs. */
  holdsBack(): boolean {
    return this.#lanes.some((lane) => {
      const isMoreComing = lane.asked > 0 && (lane.untilEmpty || lane.pending > lane.asked);
      // Each takes some milliseconds at most: its consumer is being created, or its message is announced and not there yet.
      const isPulledSoon = hasWork(lane) && (lane.restUntilMs === Number.POSITIVE_INFINITY || lane.misses > 0);
      return isMoreComing || isPulledSoon;
    });
  }

  /**
   * The lane that has been served least of those that have work and may be pulled now, or undefined. A lane whose pulls took long
   * makes up for what it missed; one that was idle does not.
   */
  next(nowMs: number): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.#lanes) {
      if (!hasWork(lane)) {
        lane.isIdle = true;
        continue;
      }
      if (lane.isIdle) lane.served = Math.max(lane.served, this.#served);
      lane.isIdle = false;
      if (lane.asked > 0 || lane.restUntilMs > nowMs) continue;
      if (next === undefined || lane.served < next.served) next = lane;
    }
    if (next !== undefined) this.#served = Math.max(this.#served, next.served);
    return next;
  }
}

/** The rings of all priorities. */
export class Rings {
  /** From the highest priority down. */
  readonly inOrder: readonly Ring[];
  readonly #byPriority: ReadonlyMap<Priority, Ring>;

  constructor() {
    this.#byPriority = new Map(PRIORITIES.map((priority) => [priority, new Ring(priority)]));
    this.inOrder = [...this.#byPriority.values()];
  }

  /** The ring in which the lane is served. */
  of({ definition }: Lane): Ring {
    const ring = this.#byPriority.get(definition.priority);
    if (ring === undefined)
      throw new TypeError(`Cannot serve ${definition.name}: no priority "${definition.priority}"`);
    return ring;
  }

  /** Messages asked for by all open pulls. */
  asked(): number {
    let asked = 0;
    for (const ring of this.inOrder) asked += ring.asked;
    return asked;
  }

  /** Messages of higher priorities that were asked for and are not here yet; `Infinity` while more than those are known to wait. */
  awaitedAbove(priority: Priority): number {
    let awaited = 0;
    for (const ring of this.inOrder) {
      if (ring.priority === priority) break;
      awaited += ring.holdsBack() ? Number.POSITIVE_INFINITY : ring.asked;
    }
    return awaited;
  }
}
