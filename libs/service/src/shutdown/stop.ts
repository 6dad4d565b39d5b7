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

/** Where a process learns that it is to end. */
export interface Stop extends Disposable {
  /** Aborts at the first demand, with a {@linkcode StopDemand}: take nothing new, end what runs. */
  readonly signal: AbortSignal;
  /** Aborts at the second demand: the drain's deadline is now. */
  readonly hastened: AbortSignal;
}

/** How demands to stop are met. */
export interface StopOptions {
  readonly log: Log;
  /** After the first demand the process ends anyway, ms. */
  readonly exitAfterMs: number;
  /** A supervisor of ours started this process with an IPC channel: it ends with it, and a Ctrl-C at the terminal is its to pass on. */
  readonly supervised: boolean;
}

/** After the second demand the process ends anyway, ms. */
const HASTENED_EXIT_MS = 3_000;
/** Two demands closer than this are one: a terminal's Ctrl-C reaches a process directly and again through npm. */
const SAME_DEMAND_MS = 500;

/**
 * Turns SIGTERM, SIGINT, SIGHUP and the end of a supervisor into two signals.
 *
 * A process that was told to stop exits with 0 however it goes, since what it leaves undone comes back to others: after its deadline it
 * logs that it did not get to the end, and goes.
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
