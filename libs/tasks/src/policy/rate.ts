/** How far back the present rate looks, ms. */
const WINDOW_MS = 100;
/** A worker buffers what it consumes in this time, ms. */
const PREFETCH_MS = 10;

/** The present rate of ended tasks, and the prefetch that follows from it: nothing when idle or when tasks are long. */
export class Rate {
  #windowStartMs = 0;
  #ended = 0;
  #perMs = 0;

  /** Counts one ended task. */
  count(): void {
    this.#ended++;
  }

  /** Tasks to hold ready beyond the free permits. */
  prefetch(nowMs: number): number {
    return Math.floor(this.perMs(nowMs) * PREFETCH_MS);
  }

  /** Ended tasks each millisecond. */
  perMs(nowMs: number): number {
    const elapsedMs = nowMs - this.#windowStartMs;
    if (elapsedMs >= WINDOW_MS) {
      this.#perMs = this.#ended / elapsedMs;
      this.#ended = 0;
      this.#windowStartMs = nowMs;
    }
    return this.#perMs;
  }
}
