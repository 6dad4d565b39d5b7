/** Rate at which those that found no place in the waiting room come back to a worker, in all, per ms; or twice what it ends, if that is more. */
const BACK_PER_MS = 0.25;
/** They come back at whole multiples of this, ms: the server looks through all that it keeps back each time that one is due. */
const TICK_MS = 1_000;
/** Shortest delay, ms. */
const SHORTEST_MS = 500;

/**
 * When tasks that wait for a crowded lock come back from the broker: one after the other, at a pace.
 *
 * Those that come back stand before everything else of their VO. At this pace a worker turns them away at the cost of some per cent of
 * its time, so that a task for a free lock passes them, however many they are. It is faster than the locks' own pace, so that
 * no lock is idle for want of them. The keys that are crowded have equal parts of it.
 */
export class Crowds {
  /** For each key when the last of its tasks comes back, by `performance.now()`. */
  readonly #lastAtMs = new Map<string, number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** The delay of one more task that waits for `key`, ms. `endsPerMs` is what the worker ends now. */
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
