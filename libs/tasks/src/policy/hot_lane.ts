import type { Lane } from "./lane.ts";

/** Time after a lane's last message for which the lane stays hot, ms. A lane becomes hot with its second message in a row. */
const HOT_MS = 5_000;

/** The lane that the last messages came from. Its next message is worth a standing pull. */
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
