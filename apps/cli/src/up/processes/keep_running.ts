import { setTimeout as pause } from "node:timers/promises";

/** Something that runs until it ends or is stopped. */
export interface Running {
  /** Resolves to the way it ended, e.g. `exit code 1`. Never rejects. */
  readonly ended: Promise<string>;
  /** Ends it. Resolves after it has ended. */
  stop(): Promise<void>;
}

/** Something that is started again whenever it ends. */
export interface KeptRunning {
  /** Ends the present run, so that a new one is started. Resolves after it has ended. */
  restart(): Promise<void>;
  /** Ends it for ever. Resolves after it has ended. */
  stop(): Promise<void>;
}

export interface KeepRunningOptions {
  readonly name: string;
  start(): Promise<Running>;
  /** Called for each end, and for each start that fails. */
  tell(line: string): void;
  /** Returns the pause before the nth start in a row, ms. The first has 1. Default {@linkcode restartDelayMs}. */
  readonly delayMs?: (inARow: number) => number;
}

/** Running time after which a start counts as a success, ms. */
const WELL_AFTER_MS = 30_000;

/** Returns the pause before a new start: half a second, and twice as long for each further one in a row, at most 30 s. */
export function restartDelayMs(inARow: number): number {
  return Math.min(500 * 2 ** (inARow - 1), 30_000);
}

async function pauseUnless(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Starts something and keeps it running until it is stopped. Throws the error of the first start. */
export async function keepRunning(options: KeepRunningOptions): Promise<KeptRunning> {
  const { name, start, tell, delayMs = restartDelayMs } = options;
  const stopping = new AbortController();
  const stopped = new Promise<undefined>((resolve) =>
    stopping.signal.addEventListener("abort", () => resolve(undefined)),
  );
  let current: Running | undefined = await start();

  async function startAgain(): Promise<Running | undefined> {
    try {
      return await start();
    } catch (error) {
      tell(`${name} does not start: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  async function watch(): Promise<void> {
    let inARow = 0;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      const how = current === undefined ? "it did not start" : await Promise.race([current.ended, stopped]);
      if (how === undefined || stopping.signal.aborted) return;
      inARow = performance.now() - startedAt > WELL_AFTER_MS ? 1 : inARow + 1;
      const delay = delayMs(inARow);
      tell(`${name} ended (${how}); starting it again in ${(delay / 1_000).toFixed(1)} s`);
      await pauseUnless(delay, stopping.signal);
      if (!stopping.signal.aborted) current = await startAgain();
    }
  }

  const watching = watch();
  return {
    async restart() {
      await current?.stop();
    },
    async stop() {
      stopping.abort();
      await watching; // a start that is under way would outlive this object
      await current?.stop();
    },
  };
}
