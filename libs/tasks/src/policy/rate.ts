/** Time over which the rate is measured, ms. */
const WINDOW_MS = 100;
/** Time whose consumption a worker holds ready beyond its permits, ms. */
const PREFETCH_MS = 10;

/** The present rate of ended tasks, and the prefetch that follows from it. The prefetch is 0 when the worker is idle or tasks are long. */
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
