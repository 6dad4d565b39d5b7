/** Calls back at the earliest of the times that it was set to. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** `atMs` is by `performance.now()`; Infinity: never. An earlier time that was set before stays. */
  setTo(atMs: number): void {
    if (atMs >= this.#atMs) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    // Timers may be up to a millisecond early.
    this.#timer = setTimeout(() => this.#go(), Math.max(0, Math.ceil(atMs - performance.now())) + 1);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #go(): void {
    this.#atMs = Number.POSITIVE_INFINITY;
    this.#ring();
  }
}
