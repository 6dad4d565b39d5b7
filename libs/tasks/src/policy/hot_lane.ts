import type { Lane } from "./lane.ts";

/** A lane is waited for from its second message in a row on, until so long after its last, ms. */
const HOT_MS = 5_000;

/** The lane that the last messages came from, and whose next one is worth waiting for. */
export class HotLane {
  #lane: Lane | undefined;
  #inARow = 0;
  #atMs = 0;

  /** A lane's message has come, by whatever pull. */
  note(lane: Lane, nowMs: number): void {
    this.#inARow = this.#lane === lane ? this.#inARow + 1 : 1;
    this.#lane = lane;
    this.#atMs = nowMs;
  }

  /** The lane; undefined: none is hot. */
  at(nowMs: number): Lane | undefined {
    return this.#inARow > 1 && nowMs - this.#atMs < HOT_MS ? this.#lane : undefined;
  }

  /** No lane is hot any more. */
  cool(): void {
    this.#lane = undefined;
    this.#inARow = 0;
  }
}
