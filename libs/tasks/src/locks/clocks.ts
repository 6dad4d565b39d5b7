/**
 * What `performance.now()` lacks to count from the machine's start: it counts from the start of its own thread, so that a
 * moment noted by one thread means nothing to another.
 */
const THREAD_STARTED_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** `performance.now()` of this thread as a moment that every thread of this process understands, ms. Infinity stays. */
export function asSharedMs(performanceNowMs: number): number {
  return performanceNowMs + THREAD_STARTED_MS;
}

/** Now on the monotonic clock that all threads of this process share, ms. */
export function sharedNowMs(): number {
  return asSharedMs(performance.now());
}

/** One moment on both clocks of this machine. */
export interface Moment {
  /** Shared monotonic clock, ms. It never jumps, but may stand still while a virtual machine is paused. */
  readonly monotonicMs: number;
  /** ms since the epoch. It goes on through a pause, but may jump. */
  readonly wallMs: number;
}

export function momentNow(): Moment {
  return { monotonicMs: sharedNowMs(), wallMs: Date.now() };
}

/** Time since `moment` on whichever clock moved more, ms: neither a pause nor a clock set back makes it shorter. */
export function elapsedMs(moment: Moment): number {
  return Math.max(sharedNowMs() - moment.monotonicMs, Date.now() - moment.wallMs);
}
