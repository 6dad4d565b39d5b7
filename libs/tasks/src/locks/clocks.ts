/** Now on the monotonic clock that all threads of this process share, ms. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** So often the two clocks are compared. */
const COMPARISONS = 10;

/**
 * How far the shared clock is ahead of this thread's `performance.now()`, ms. They cannot be read at once, and a thread may have to
 * wait for the CPU between two readings: the comparison with the least time in between counts.
 */
function measureLeadMs(): number {
  let leadMs = 0;
  let leastMs = Number.POSITIVE_INFINITY;
  for (let comparison = 0; comparison < COMPARISONS; comparison++) {
    const beforeMs = sharedNowMs();
    const ownMs = performance.now();
    const tookMs = sharedNowMs() - beforeMs;
    if (tookMs >= leastMs) continue;
    leastMs = tookMs;
    leadMs = beforeMs + tookMs / 2 - ownMs;
  }
  return leadMs;
}

/** `performance.now()` counts from the start of its own thread, so that a moment noted by one thread means nothing to another. */
const LEAD_MS = measureLeadMs();

/** `performance.now()` of this thread as a moment that every thread of this process understands, ms. Infinity stays. */
export function asSharedMs(performanceNowMs: number): number {
  return performanceNowMs + LEAD_MS;
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
