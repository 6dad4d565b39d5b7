/** Two demands closer than this are one: a terminal's Ctrl-C reaches a process directly and again through npm, ms. */
const SAME_DEMAND_MS = 500;

/** When this process is told to end. */
export interface StopDemand extends Disposable {
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, or when whoever started us through a channel has gone. */
  readonly signal: AbortSignal;
  /** Aborts when it is told again: patience is over. */
  readonly impatience: AbortSignal;
  /** Demands it ourselves. */
  stop(): void;
}

/** Listens until disposed of; afterwards a signal ends the process as usual. */
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
