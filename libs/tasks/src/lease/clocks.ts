/** Returns the time of the monotonic clock that all threads of this process share, ms. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Number of comparisons of the two clocks. */
const COMPARISONS = 10;

/**
 * Measures how far the shared clock is ahead of this thread's `performance.now()`, ms. The two cannot be read at once, and a thread may
 * have to wait for the CPU between two readings. So the comparison with the least time in between counts.
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

/** Lead of the shared clock, ms. `performance.now()` counts from the start of its own thread and means nothing to another thread. */
const LEAD_MS = measureLeadMs();

/** Converts a time of this thread's `performance.now()` to the shared clock, ms. Infinity stays Infinity. */
export function asSharedMs(performanceNowMs: number): number {
  return performanceNowMs + LEAD_MS;
}

/** One moment, by both clocks of this machine. */
export interface Moment {
  /** Time of the shared monotonic clock, ms. It never jumps, but may stand still while a virtual machine is paused. */
  readonly monotonicMs: number;
  /** Time of the wall clock, ms since the epoch. It goes on through a pause, but may jump. */
  readonly wallMs: number;
}

export function momentNow(): Moment {
  return { monotonicMs: sharedNowMs(), wallMs: Date.now() };
}

/** Time since `moment` by the clock that moved more, ms. Neither a pause nor a clock that was set back makes it shorter. */
export function elapsedMs(moment: Moment): number {
  return Math.max(sharedNowMs() - moment.monotonicMs, Date.now() - moment.wallMs);
}
