import type { Log } from "../logging/log.ts";

/** Why an app's `signal` aborted: it was told to stop. */
export class StopDemand extends Error {
  override readonly name = "StopDemand";
  /** `SIGTERM`, or `the parent process is gone`. */
  readonly demand: string;
  constructor(demand: string) {
    super(`told to stop: ${demand}`);
    this.demand = demand;
  }
}

/** The demands to stop that a process has got. */
export interface Stop extends Disposable {
  /** Aborts at the first demand, with a {@linkcode StopDemand}: take no new work, and finish what runs. */
  readonly signal: AbortSignal;
  /** Aborts at the second demand: the drain's deadline is now. */
  readonly hastened: AbortSignal;
}

/** How a process reacts to demands to stop. */
export interface StopOptions {
  readonly log: Log;
  /** Time from the first demand to the exit at the latest, ms. */
  readonly exitAfterMs: number;
  /**
   * Whether a supervisor of ours started this process with an IPC channel. Then the process ends with the supervisor,
   * which also passes on a Ctrl-C at the terminal.
   */
  readonly supervised: boolean;
}

/** Time from the second demand to the exit at the latest, ms. */
const HASTENED_EXIT_MS = 3_000;
/**
 * Longest time between two demands that count as one, ms. A terminal's Ctrl-C reaches a process directly, and again
 * through npm.
 */
const SAME_DEMAND_MS = 500;

/**
 * Turns SIGTERM, SIGINT, SIGHUP and the end of a supervisor into two signals.
 *
 * A process that was told to stop always exits with 0, since other processes do the work that it leaves. After its
 * deadline it logs that work is undone, and exits.
 */
export function listenForStop({ log, exitAfterMs, supervised }: StopOptions): Stop {
  const stop = new AbortController();
  const hasten = new AbortController();
  let demandedAt = 0;
  let deadline: NodeJS.Timeout | undefined;

  function exitIn(ms: number): void {
    clearTimeout(deadline);
    deadline = setTimeout(() => {
      log.error(
        { afterMs: Math.round(performance.now() - demandedAt) },
        "did not stop in time; exiting with work undone, which comes back to others",
      );
      process.exit(0);
    }, ms).unref();
  }
  function demand(what: string): void {
    if (!stop.signal.aborted) {
      demandedAt = performance.now();
      log.info({ demand: what, atMostMs: exitAfterMs }, "stopping");
      exitIn(exitAfterMs);
      stop.abort(new StopDemand(what));
    } else if (performance.now() - demandedAt > SAME_DEMAND_MS && !hasten.signal.aborted) {
      log.warn({ demand: what }, "stopping at once");
      exitIn(HASTENED_EXIT_MS);
      hasten.abort(new StopDemand(what));
    }
  }
  const onInterrupt = () => {
    if (!supervised) demand("SIGINT");
  };
  const onDisconnect = () => demand("the supervisor is gone");
  process.on("SIGTERM", demand).on("SIGHUP", demand).on("SIGINT", onInterrupt);
  if (supervised) process.on("disconnect", onDisconnect);
  if (supervised && process.channel === undefined)
    log.warn("no channel leads to the supervisor: its end will go unnoticed");
  return {
    signal: stop.signal,
    hastened: hasten.signal,
    [Symbol.dispose]() {
      clearTimeout(deadline);
      process.off("SIGTERM", demand).off("SIGHUP", demand).off("SIGINT", onInterrupt).off("disconnect", onDisconnect);
    },
  };
}
