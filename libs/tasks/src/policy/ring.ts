import type { Priority } from "../definition/traits.ts";
import type { Lane } from "./lane.ts";

/**
 * Longest time for which the room that is left stays reserved for a lane whose pull is open, ms. Without it, lanes with little to ask
 * for take the room that a lane of much more weight is about to ask for.
 */
export const RESERVED_MS = 20;

/**
 * The lanes of one priority. Those that have work are pulled in turn, so that each gets a share by its weight.
 *
 * A lane may be ahead of another lane with work by at most one turn. The share of the other is reserved while its pull is on its way.
 * A lane whose pulls took longer makes up for what it missed. A lane that had no work does not.
 */
export class Ring {
  readonly priority: Priority;
  /** Messages asked for by open pulls and not yet here. Only `Lanes` writes and reads it. */
  asked = 0;
  readonly #lanes: Lane[] = [];
  /** The least that a lane with work had been granted, as of the last look that found one. It never falls. */
  #floor = 0;
  // The next three hold what the last `look` has found.
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

  get isEmpty(): boolean {
    return this.#lanes.length === 0;
  }

  /** Number of lanes that had work at the last look, whether a pull was open or not. */
  get working(): number {
    return this.#working;
  }

  /** The lane to pull next, by the last look; undefined: no lane with work could be pulled, or the room is reserved for another. */
  get next(): Lane | undefined {
    return this.#next;
  }

  /** When the first rest or reservation that the last look met ends, by `performance.now()`; Infinity: it met none. */
  get lookAgainAtMs(): number {
    return this.#lookAgainAtMs;
  }

  /** Whether more messages wait than were asked for, so that lower priorities must not take the room. */
  holdsBack(): boolean {
    for (const lane of this.#lanes) if (lane.isMoreComing || lane.isPulledSoon) return true;
    return false;
  }

  /** Finds whose turn it is: of the lanes that have work and can be pulled, the one that was granted least. */
  look(nowMs: number): void {
    this.#working = 0;
    let next: Lane | undefined;
    let reserved = Number.POSITIVE_INFINITY;
    let reservedUntilMs = Number.POSITIVE_INFINITY;
    let restsUntilMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      lane.look(nowMs);
      if (!lane.isWanted) continue;
      this.#working++;
      lane.join(this.#floor);
      if (lane.state === "ready") {
        if (next === undefined || lane.granted < next.granted) next = lane;
      } else if (lane.state === "resting") {
        restsUntilMs = Math.min(restsUntilMs, lane.restsUntilMs);
      } else if (lane.isMoreComing && nowMs < lane.pulledAtMs + RESERVED_MS) {
        reserved = Math.min(reserved, lane.granted);
        reservedUntilMs = Math.min(reservedUntilMs, lane.pulledAtMs + RESERVED_MS);
      }
    }
    const least = Math.min(next?.granted ?? Number.POSITIVE_INFINITY, reserved);
    if (Number.isFinite(least)) this.#floor = Math.max(this.#floor, least);
    const isReserved = next !== undefined && next.granted > reserved;
    this.#next = isReserved ? undefined : next;
    this.#lookAgainAtMs = isReserved ? Math.min(reservedUntilMs, restsUntilMs) : restsUntilMs;
  }
}
