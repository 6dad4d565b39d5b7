import type { Priority } from "../definition/task.ts";
import type { Lane } from "./lane.ts";

/**
 * Longest time for which a lane whose pull is open keeps its claim to the room that is left, ms. Without it every lane with little
 * to ask for takes what one with much more weight is about to ask for.
 */
export const CLAIM_MS = 20;

/**
 * The lanes of one priority: those that have work are pulled in turn, so that each has as much as its weight gives it.
 *
 * A lane may be ahead of another that has work by one turn and no more. That one's share is kept for it while its pull is on its way.
 * A lane whose pulls took longer makes up for what it missed; one that had no work does not.
 */
export class Ring {
  readonly priority: Priority;
  /** Messages asked for by open pulls and not yet here; written by `Lanes`. */
  asked = 0;
  readonly #lanes: Lane[] = [];
  /** What each lane with work has been granted at least, at any look so far. */
  #floor = 0;
  /** What the last look has found. */
  #working = 0;
  #next: Lane | undefined;
  #lookAgainAtMs = Number.POSITIVE_INFINITY;

  constructor(priority: Priority) {
    this.priority = priority;
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes.values();
  }

  add(lane: Lane): void {
    this.#lanes.push(lane);
  }

  remove(lane: Lane): void {
    const at = this.#lanes.indexOf(lane);
    if (at >= 0) this.#lanes.splice(at, 1);
  }

  /** Lanes that had work at the last look, whether a pull was open or not. */
  get working(): number {
    return this.#working;
  }

  /** The lane that was to be pulled next at the last look; undefined: none had work and could be, or the room is another's. */
  get next(): Lane | undefined {
    return this.#next;
  }

  /** When a lane's rest or claim that was met at the last look ends; Infinity: none was. */
  get lookAgainAtMs(): number {
    return this.#lookAgainAtMs;
  }

  /** Whether more is on its way than was asked for, so that lower priorities must not take the room it needs. */
  holdsBack(): boolean {
    for (const lane of this.#lanes) if (lane.isMoreComing || lane.isPulledSoon) return true;
    return false;
  }

  /** Finds out whose turn it is: of the lanes that have work and can be pulled, the one that was granted least. */
  look(nowMs: number): void {
    this.#working = 0;
    let next: Lane | undefined;
    let claimed = Number.POSITIVE_INFINITY;
    let claimedUntilMs = Number.POSITIVE_INFINITY;
    let restsUntilMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      lane.look(nowMs);
      if (!lane.hasWork) continue;
      this.#working++;
      lane.join(this.#floor);
      if (lane.state === "ready") {
        if (next === undefined || lane.granted < next.granted) next = lane;
      } else if (lane.state === "resting") {
        restsUntilMs = Math.min(restsUntilMs, lane.restsUntilMs);
      } else if (lane.isMoreComing && nowMs < lane.pulledAtMs + CLAIM_MS) {
        claimed = Math.min(claimed, lane.granted);
        claimedUntilMs = Math.min(claimedUntilMs, lane.pulledAtMs + CLAIM_MS);
      }
    }
    const least = Math.min(next?.granted ?? Number.POSITIVE_INFINITY, claimed);
    if (Number.isFinite(least)) this.#floor = Math.max(this.#floor, least);
    const isClaimed = next !== undefined && next.granted > claimed;
    this.#next = isClaimed ? undefined : next;
    this.#lookAgainAtMs = isClaimed ? Math.min(claimedUntilMs, restsUntilMs) : restsUntilMs;
  }
}
