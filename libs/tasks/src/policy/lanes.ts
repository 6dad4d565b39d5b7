// Tested by libs/tasks/src/policy/policy_test.ts
// Tested by libs/tasks/src/policy/policy_properties_test.ts
import { PRIORITIES, type Priority } from "../definition/task.ts";
import { HotLane } from "./hot_lane.ts";
import type { Lane, LaneDelivery } from "./lane.ts";
import { Ring } from "./ring.ts";

/** Time without any answer after which a pull is taken for lost, ms; one that waits at the server ends long before. */
const PULL_LOST_MS = 3_000;

/** What a message was asked for by: a pull of the moment, or one that had waited for it at the server. */
export type AskedBy = "pull" | "standing pull";

/** The lanes of a worker by priority, and what has come of their pulls. Whoever carries out pulls reports here. */
export class Lanes {
  /** From the highest priority down. */
  readonly rings: readonly Ring[] = PRIORITIES.map((priority) => new Ring(priority));
  readonly #byPriority: ReadonlyMap<Priority, Ring> = new Map(this.rings.map((ring) => [ring.priority, ring]));
  readonly #weightOf: (vo: string) => number;
  readonly #hot = new HotLane();
  #standing: Lane | undefined;
  #wish: Lane | undefined;

  /** `weightOf` is asked for a VO's weight at each pull. */
  constructor(weightOf: (vo: string) => number) {
    this.#weightOf = weightOf;
  }

  add(lane: Lane): void {
    this.#ringOf(lane).add(lane);
  }

  /** Its VO is not served any more. What its pull still brings is nobody's. */
  remove(lane: Lane): void {
    this.giveUp(lane);
    this.#ringOf(lane).remove(lane);
    this.#hot.cool();
    if (this.#wish === lane) this.#wish = undefined;
  }

  /** Messages asked for by open pulls and not yet here, but for what a standing one may bring. */
  asked(): number {
    let asked = 0;
    for (const ring of this.rings) asked += ring.asked;
    return asked;
  }

  /** The lane at which a pull waits for the next message. */
  get standing(): Lane | undefined {
    return this.#standing;
  }

  /** Whether a pull may yet bring something. */
  isOpen(): boolean {
    return this.#standing !== undefined || this.asked() > 0;
  }

  weightOf({ vo }: Lane): number {
    return this.#weightOf(vo);
  }

  /** Messages of higher priorities that were asked for and are not here yet; Infinity while more than those are known to wait. */
  awaitedAbove(priority: Priority): number {
    let awaited = 0;
    for (const ring of this.rings) {
      if (ring.priority === priority) break;
      if (ring.holdsBack()) return Number.POSITIVE_INFINITY;
      awaited += ring.asked;
    }
    return awaited;
  }

  /** The lane whose next message is worth waiting for at the server; undefined: none is. */
  hot(nowMs: number): Lane | undefined {
    return this.#hot.at(nowMs);
  }

  /**
   * Takes the lane that was found empty although a wake had told of a message: another worker may stand there already and take what we
   * hear of, so that we stand there too if there is nothing else to do.
   */
  takeWish(): Lane | undefined {
    const wish = this.#wish;
    this.#wish = undefined;
    return wish;
  }

  /** Opens a pull for so many messages. */
  pull(lane: Lane, count: number, nowMs: number): void {
    const { asked } = lane;
    lane.pull(count, this.weightOf(lane), nowMs);
    this.#note(lane, asked);
  }

  /** Opens a pull that waits for the lane's next message. There must be none. */
  stand(lane: Lane, nowMs: number): void {
    lane.stand(this.weightOf(lane), nowMs);
    this.#standing = lane;
  }

  /** A message has come. Returns what had asked for it. */
  delivered(lane: Lane, delivery: LaneDelivery, nowMs: number): AskedBy {
    const { asked } = lane;
    const isAwaited = this.#standing === lane;
    if (isAwaited) this.#standing = undefined;
    lane.deliver(delivery, nowMs);
    this.#note(lane, asked);
    this.#hot.note(lane, nowMs);
    return isAwaited ? "standing pull" : "pull";
  }

  /** The open pull has ended: there is nothing more. */
  emptied(lane: Lane, nowMs: number): void {
    const { asked } = lane;
    if (lane.isOvertaken) this.#wish = lane;
    lane.empty(nowMs);
    this.#ended(lane, asked);
  }

  /** The open pull has found no consumer; the caller makes one, and reports. */
  lost(lane: Lane): void {
    const { asked } = lane;
    if (this.#standing === lane) this.#hot.cool();
    lane.lose();
    this.#ended(lane, asked);
  }

  /** The open pull was refused. */
  refused(lane: Lane, nowMs: number): void {
    const { asked } = lane;
    if (this.#standing === lane) this.#hot.cool();
    lane.refuse(nowMs);
    this.#ended(lane, asked);
  }

  /** What was asked there is not answered any more. */
  giveUp(lane: Lane): void {
    const { asked } = lane;
    lane.giveUp();
    this.#ended(lane, asked);
  }

  /** Gives up pulls that should have been answered long ago. */
  dropLostPulls(nowMs: number): void {
    for (const ring of this.rings) {
      for (const lane of ring) {
        const isOpen = lane.state === "standing" || lane.state === "pulling";
        if (isOpen && nowMs - lane.pulledAtMs > PULL_LOST_MS) this.giveUp(lane);
      }
    }
  }

  /** The connection was lost and is back: what was asked of the old one is not answered on the new one. */
  reconnected(): void {
    for (const ring of this.rings) {
      for (const lane of ring) {
        this.giveUp(lane);
        lane.forgetConsumer();
      }
    }
  }

  #ended(lane: Lane, askedBefore: number): void {
    if (this.#standing === lane) this.#standing = undefined;
    this.#note(lane, askedBefore);
  }

  #note(lane: Lane, askedBefore: number): void {
    this.#ringOf(lane).asked += lane.asked - askedBefore;
  }

  #ringOf({ definition }: Lane): Ring {
    const ring = this.#byPriority.get(definition.priority);
    if (ring === undefined)
      throw new TypeError(`Cannot serve ${definition.name}: no priority "${definition.priority}"`);
    return ring;
  }
}
