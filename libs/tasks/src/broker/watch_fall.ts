// Tested by tests/src/restore/restore_test.ts
import { onReconnect } from "../connection/reconnects.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";
import { hasFallen, type PositionNow, type Positions, readPositions } from "./store_mark.ts";

/** Time between two looks, ms. */
const LOOK_MS = 60_000;
/** Time from a look that got no answer to the next, ms. */
const RETRY_MS = 1_000;
/** Time after which a second look must confirm a fall on a cluster, ms. A former leader that is behind has noticed by then that it leads no more. */
const CONFIRM_MS = 15_000;

/**
 * NATS was restored to an earlier state while this process ran, or lost its newest messages. Sequences and revisions that the process
 * remembers are given out a second time, so it must end at once, and be started again. What it holds comes back to others.
 */
export class NatsFellError extends Error {
  override readonly name = "NatsFellError";
  /** The streams that went back. */
  readonly streams: readonly string[];
  constructor(streams: readonly string[]) {
    super(
      `Cannot go on: NATS was restored to an earlier state, or lost its newest messages (${streams.join(", ")}); ` +
        "start this process again, since what it remembers of NATS does not hold any more",
    );
    this.streams = streams;
  }
}

/** How a process watches for a fall of NATS. */
export interface FallWatchOptions {
  /** Called once. */
  onFall(error: NatsFellError): void;
  /** Time between two looks, ms; default 60,000. What was stored after the last look is not missed. */
  readonly everyMs?: number;
}

/** The watch of one process. Disposing of it ends the looks. */
export interface FallWatch extends Disposable {
  /** Looks once, and resolves when that has ended, whatever was found. */
  look(): Promise<void>;
}

function fallenSince(before: Positions, now: Positions<PositionNow>): readonly string[] {
  return Object.entries(now).flatMap(([stream, position]) => {
    const was = before[stream];
    return was !== undefined && hasFallen(was, position) ? [stream] : [];
  });
}

/**
 * Notices that NATS went back to an earlier state while this process ran: at each reconnect, and once a minute. A stream that was deleted and
 * declared again has not gone back: it is another one.
 */
export function watchFall(broker: Broker, { onFall, everyMs = LOOK_MS }: FallWatchOptions): FallWatch {
  let known: Positions<PositionNow> = {};
  let suspectedAtMs: number | undefined;
  let isOver = false;
  let looking: Promise<void> | undefined;
  let soon: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const now = await readPositions({ jsm: broker.briefJsm, streams: broker.streams });
    const fallen = fallenSince(known, now);
    if (fallen.length === 0) {
      suspectedAtMs = undefined;
      known = { ...known, ...now };
      return;
    }
    suspectedAtMs ??= performance.now();
    const isSure = broker.nc.info?.cluster === undefined || performance.now() - suspectedAtMs >= CONFIRM_MS;
    if (isOver) return;
    if (!isSure) return again(CONFIRM_MS);
    isOver = true;
    onFall(new NatsFellError(fallen));
  }

  function again(ms: number): void {
    clearTimeout(soon);
    soon = setTimeout(lookNow, ms).unref();
  }

  function begin(): Promise<void> {
    if (isOver || broker.nc.isClosed()) return Promise.resolve();
    looking ??= look()
      .catch((cause: unknown) => {
        if (!isSilence(cause)) broker.observer.note("Cannot look yet whether NATS went back", { cause });
        if (!isOver) again(RETRY_MS);
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  function lookNow(): void {
    void begin();
  }

  async function lookAnew(): Promise<void> {
    // What was asked before says nothing about now.
    await looking;
    await begin();
  }

  lookNow();
  const stop = onReconnect(broker.nc, () => void lookAnew());
  const timer = setInterval(lookNow, everyMs).unref();
  return {
    look: lookAnew,
    [Symbol.dispose]() {
      isOver = true;
      clearInterval(timer);
      clearTimeout(soon);
      stop();
    },
  };
}
