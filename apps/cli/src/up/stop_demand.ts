/**
 * Longest time between two signals that count as one demand, ms. Ctrl-C in a terminal reaches a process directly, and again through npm.
 */
const SAME_DEMAND_MS = 500;

/** Tells when this process has to end. */
export interface StopDemand extends Disposable {
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP. It also aborts when the process that started this one through a channel has ended. */
  readonly signal: AbortSignal;
  /** Aborts at the second demand: running work is no longer waited for. */
  readonly impatience: AbortSignal;
  /** Makes a demand from inside this process. */
  stop(): void;
}

/** Listens until disposed of. After that a signal ends the process as usual. */
export function listenForStopDemand(): StopDemand {
  const first = new AbortController();
  const second = new AbortController();
  let demandedAt = 0;
  function stop(): void {
    if (!first.signal.aborted) {
      demandedAt = performance.now();
      first.abort();
    } else if (performance.now() - demandedAt > SAME_DEMAND_MS) {
      second.abort();
    }
  }
  const events = ["SIGINT", "SIGTERM", "SIGHUP", "disconnect"] as const;
  for (const event of events) process.on(event, stop);
  return {
    signal: first.signal,
    impatience: second.signal,
    stop,
    [Symbol.dispose]() {
      for (const event of events) process.off(event, stop);
    },
  };
}
