// Tested by libs/tasks/src/policy/policy_test.ts
// Tested by libs/tasks/src/policy/policy_properties_test.ts
import type { AnyTask } from "../definition/task.ts";
import { PRIORITIES, type Priority } from "../definition/traits.ts";
import { HotLane } from "./hot_lane.ts";
import type { Lane, LaneDelivery } from "./lane.ts";
import { Ring } from "./ring.ts";

/** Time without any answer after which a pull counts as lost, ms. A standing pull ends long before. */
const PULL_LOST_MS = 3_000;

/** The kind of pull that asked for a message: one that is answered at once, or one that had waited at the server. */
export type AskedBy = "pull" | "standing pull";

/** The lanes of a worker by priority, with the results of their pulls. The task source, which carries out pulls, reports here. */
export class Lanes {
  /** From the highest priority down. */
  readonly rings: readonly Ring[] = PRIORITIES.map((priority) => new Ring(priority));
  readonly #byPriority: ReadonlyMap<Priority, Ring> = new Map(this.rings.map((ring) => [ring.priority, ring]));
  readonly #weightOf: (vo: string) => number;
  readonly #hot = new HotLane();
  /** See `standing`. */
  #standing: Lane | undefined;
  /** Set when a pull ends empty against a wake; taken by the policy's next look at pulls. */
  #wish: Lane | undefined;

  /** `weightOf` is asked for a VO's weight at each pull. */
  constructor(weightOf: (vo: string) => number) {
    this.#weightOf = weightOf;
  }

  add(lane: Lane): void {
    this.#ringOf(lane).add(lane);
  }

  /** Removes a lane whose VO is not served any more. The source ignores what its open pull still brings. */
  remove(lane: Lane): void {
    this.giveUp(lane);
    this.#ringOf(lane).remove(lane);
    this.#hot.cool();
    if (this.#wish === lane) this.#wish = undefined;
  }

  /** The configuration has another definition for a lane, perhaps with another priority. */
  redefine(lane: Lane, definition: AnyTask): void {
    const from = this.#ringOf(lane);
    lane.redefine(definition);
    const to = this.#ringOf(lane);
    if (from === to) return;
    from.remove(lane);
    from.asked -= lane.asked;
    to.add(lane);
    to.asked += lane.asked;
  }

  /** The lane's tasks are paused, or are not any more. */
  setPaused(lane: Lane, isPaused: boolean): void {
    if (isPaused === lane.isPaused) return;
    if (isPaused) lane.pause();
    else lane.resume();
  }

  /** Messages asked for by open pulls and not yet here. The message of a standing pull is not counted. */
  asked(): number {
    let asked = 0;
    for (const ring of this.rings) asked += ring.asked;
    return asked;
  }

  /** The lane at which a pull waits for the next message. */
  get standing(): Lane | undefined {
    return this.#standing;
  }

  /** Whether any pull may still bring something. */
  isOpen(): boolean {
    return this.#standing !== undefined || this.asked() > 0;
  }

  weightOf({ vo }: Lane): number {
    return this.#weightOf(vo);
  }

  /** Messages of higher priorities that were asked for and are not here yet; Infinity while still more of them wait. */
  awaitedAbove(priority: Priority): number {
    let awaited = 0;
    for (const ring of this.rings) {
      if (ring.priority === priority) break;
      if (ring.holdsBack()) return Number.POSITIVE_INFINITY;
      awaited += ring.asked;
    }
    return awaited;
  }

  /** The lane whose next message is worth a standing pull; undefined: none. */
  hot(nowMs: number): Lane | undefined {
    const hot = this.#hot.at(nowMs);
    return hot?.isPaused === true ? undefined : hot;
  }

  /**
   * Takes the lane that was found empty although a wake had told of a message. Another worker may have a standing pull there, which gets
   * the messages that we are woken for. So an idle worker opens a standing pull there too.
   */
  takeWish(): Lane | undefined {
    const wish = this.#wish;
    this.#wish = undefined;
    return wish?.isPaused === true ? undefined : wish;
  }

  /** Opens a pull for `count` messages. */
  pull(lane: Lane, count: number, nowMs: number): void {
    const { asked } = lane;
    lane.pull(count, this.weightOf(lane), nowMs);
    this.#note(lane, asked);
  }

  /** Opens a standing pull. No other one may be open. */
  stand(lane: Lane, nowMs: number): void {
    lane.stand(this.weightOf(lane), nowMs);
    this.#standing = lane;
  }

  /** A message has come. Returns the kind of pull that had asked for it. */
  delivered(lane: Lane, delivery: LaneDelivery, nowMs: number): AskedBy {
    const { asked } = lane;
    const isAwaited = this.#standing === lane;
    if (isAwaited) this.#standing = undefined;
    lane.deliver(delivery, nowMs);
    this.#note(lane, asked);
    this.#hot.note(lane, nowMs);
    return isAwaited ? "standing pull" : "pull";
  }

  /** The open pull has ended: nothing is left there. */
  emptied(lane: Lane, nowMs: number): void {
    const { asked } = lane;
    if (lane.isOvertaken) this.#wish = lane;
    lane.empty(nowMs);
    this.#ended(lane, asked);
  }

  /** The open pull has found no consumer. The caller makes one and reports to the lane. */
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

  /** The open pull was refused for lack of a right. What it asked for is free at once for other lanes. */
  forbidden(lane: Lane, nowMs: number, refusal: string): void {
    const { asked } = lane;
    if (this.#standing === lane) this.#hot.cool();
    lane.forbid(nowMs, refusal);
    this.#ended(lane, asked);
  }

  /** The lane's open pull will not be answered any more. */
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

  /** The connection was lost and is back. Pulls of the old connection are not answered on the new one. */
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
