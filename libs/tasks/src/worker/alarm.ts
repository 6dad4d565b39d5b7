/** A timer that calls back at the earliest of the times to which it was set. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Sets it to `atMs` by `performance.now()`; Infinity: never. An earlier time that is set already stays. */
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
