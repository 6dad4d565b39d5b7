import type { LineWanted } from "../tally/plan.ts";
import type { Mode } from "../tally/tally.ts";
import { elapsedMs, type Moment, sharedNowMs } from "../lease/clocks.ts";

/** Longest time that a process may let its turn at a read-write lock pass, and that its readers may go on before a waiting writer, ms. */
const TURN_MS = 1_000;

export type Side = Exclude<Mode, "one">;

interface Place {
  readonly worker: string;
  readonly ttlMs: number;
  /** Whether a write was considered for it. */
  isSeen: boolean;
  /** Since when it is this process's turn, by the shared monotonic clock, ms. */
  turnSinceMs: number | undefined;
}

/** What of the line of a read-write lock goes into one write. */
export interface PlacesWanted {
  readonly lines: readonly LineWanted[];
  readonly leaves: readonly Side[];
  readonly places: readonly Place[];
}

/** The places that one process wants in the line of a read-write lock: one for its readers, and one for its writers. */
export class OwnPlaces {
  readonly #places = new Map<Side, Place>();
  /** Sides that leave the line with the next write. */
  readonly #leaves = new Set<Side>();
  #renewedAt: Moment | undefined;

  get isEmpty(): boolean {
    return this.#places.size === 0 && this.#leaves.size === 0;
  }

  /** Whether a write is to be considered. */
  get hasNews(): boolean {
    if (this.#places.size + this.#leaves.size === 0) return false;
    return this.#leaves.size > 0 || [...this.#places.values()].some(({ isSeen }) => !isSeen);
  }

  /** Notes whether tasks of this process sleep in line. */
  set(side: Side, sleeps: boolean, { worker, ttlMs }: { readonly worker: string; readonly ttlMs: number }): void {
    if (!sleeps) {
      if (this.#places.delete(side)) this.#leaves.add(side);
      return;
    }
    const known = this.#places.get(side);
    if (known !== undefined) known.isSeen = false;
    else this.#places.set(side, { worker, ttlMs, isSeen: false, turnSinceMs: undefined });
    this.#leaves.delete(side);
  }

  /** Gives up the places that have let their turn pass. Returns whether the others must be renewed, after `part` of their time. */
  tick(nowMs: number, part: number): boolean {
    let isDue = false;
    for (const [side, { ttlMs, turnSinceMs }] of this.#places) {
      if (this.#renewedAt !== undefined && elapsedMs(this.#renewedAt) >= ttlMs * part) isDue = true;
      if (turnSinceMs === undefined || nowMs - turnSinceMs < TURN_MS) continue;
      this.#places.delete(side);
      this.#leaves.add(side);
    }
    return isDue;
  }

  wanted(isDue: boolean): PlacesWanted {
    const lines = [...this.#places].map(([mode, { worker, ttlMs }]) => ({ mode, worker, ttlMs, isDue }));
    return { lines, leaves: [...this.#leaves], places: [...this.#places.values()] };
  }

  /** The write was stored, or none was needed. */
  settled({ lines, leaves, places }: PlacesWanted, sent: Moment): void {
    for (const side of leaves) this.#leaves.delete(side);
    for (const place of places) place.isSeen = true;
    if (lines.some(({ isDue }) => isDue) || this.#renewedAt === undefined) this.#renewedAt = sent;
  }

  /** The last task of this side has the lock, and the write has taken its place out of the line. */
  served(side: Side): void {
    this.#places.delete(side);
  }

  /** Notes whose turn it is. */
  noteTurns(isTurn: (side: Side) => boolean): void {
    for (const [side, place] of this.#places) {
      if (!isTurn(side)) place.turnSinceMs = undefined;
      else place.turnSinceMs ??= sharedNowMs();
    }
  }

  clear(): void {
    this.#places.clear();
    this.#leaves.clear();
  }
}
