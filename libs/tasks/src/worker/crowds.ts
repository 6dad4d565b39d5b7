/** Lowest rate at which tasks that found no place in the waiting room come back to a worker, per ms. It is twice the worker's rate if that is more. */
const BACK_PER_MS = 0.25;
/** Step of the times at which they come back, ms. The server looks through everything that it keeps back each time that one is due. */
const TICK_MS = 1_000;
/** Shortest delay of such a task, ms. */
const SHORTEST_MS = 500;

/**
 * Decides when tasks that wait for a crowded lock come back from the broker: one after the other, at a pace.
 *
 * Tasks that come back stand before everything else of their VO. At this pace a worker needs some per cent of its time to send them
 * away again. So a task for a free lock passes them, however many they are. The pace is faster than that of the locks, so that no
 * lock is idle while tasks want it. The crowded keys have equal parts of the pace.
 */
export class Crowds {
  /** When the last task of each key comes back, by `performance.now()`. */
  readonly #lastAtMs = new Map<string, number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** Returns the delay of one more task that waits for `key`, ms. `endsPerMs` is the number of tasks that the worker ends per ms. */
  delayMs(key: string, endsPerMs: number): number {
    const nowMs = performance.now();
    this.#forgetEnded(nowMs);
    const known = this.#lastAtMs.get(key) ?? 0;
    const keys = Math.max(1, this.#lastAtMs.size);
    const atMs = Math.max(known, nowMs + SHORTEST_MS) + keys / Math.max(BACK_PER_MS, 2 * endsPerMs);
    this.#lastAtMs.set(key, atMs);
    return Math.ceil(atMs / TICK_MS) * TICK_MS - nowMs;
  }

  #forgetEnded(nowMs: number): void {
    if (nowMs - this.#lookedAtMs < TICK_MS) return;
    this.#lookedAtMs = nowMs;
    for (const [key, atMs] of this.#lastAtMs) if (atMs < nowMs) this.#lastAtMs.delete(key);
  }
}
