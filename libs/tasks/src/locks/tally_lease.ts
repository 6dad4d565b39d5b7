import { setTimeout as pause } from "node:timers/promises";
import type { Limit } from "../tally/plan.ts";
import type { BooksPort, FromBooks } from "../tally/book_messages.ts";
import { asSharedMs, elapsedMs, sharedNowMs } from "../lease/clocks.ts";
import { LeaseLostError } from "../lease/lease.ts";
import type { LeaseState } from "../lease/lease_state.ts";
import type { TallyWanted } from "./tally_wanted.ts";
import type { Turn } from "./turns.ts";

/** Time by which a task that begins late is counted later than that, ms. */
const LATE_BEYOND_MS = 5;
/** Part of a rate's window after which a task begins no more: others may have its quota soon. */
const TOO_LATE_PART = 1 / 2;

export type Granted = Extract<FromBooks, { kind: "granted" }>;

interface TallyLeaseParts {
  readonly id: number;
  readonly lock: TallyWanted["lock"];
  readonly limit: Limit;
  readonly state: LeaseState;
  readonly books: BooksPort;
  readonly granted: Granted;
}

/** A lease of a tally, and the ways in which its end is told. */
export interface TallyLease {
  readonly turn: Turn;
  /** The keeper's thread has lost it. */
  lose(reason: string): void;
  /** The keeper's thread has released it. */
  dropped(): void;
}

/** Makes a turn of a part of a tally that was granted. A limiter has no fence, since it protects nothing from two writers. */
export function openTallyLease({ id, lock, limit, state, books, granted }: TallyLeaseParts): TallyLease {
  const { key } = lock;
  const { fencingToken, fencedBy, beginByMs } = granted;
  const rate = limit !== undefined && "rate" in limit ? limit.rate : undefined;
  const lost = new AbortController();
  const gone = Promise.withResolvers<void>();
  let released: Promise<void> | undefined;
  let hasBegun = false;

  function lose(reason: string): LeaseLostError {
    state.end("lost");
    const error = new LeaseLostError(key, fencingToken, reason);
    if (!lost.signal.aborted) lost.abort(error);
    return error;
  }

  async function letGo(): Promise<void> {
    state.end("letGo");
    if (hasBegun) return;
    books.post({ kind: "drop", key, id, hasBegun: false });
    // Nobody waits for quota to be given back. Where the broker is silent, a lease lapses by itself.
    if (rate !== undefined) return;
    const stop = new AbortController();
    const lapsed = pause(Math.max(0, state.ttlMs - elapsedMs(state.sent)), undefined, { signal: stop.signal });
    await Promise.race([gone.promise, lapsed]).finally(() => stop.abort());
    lapsed.catch(() => undefined); // our own abort
  }

  function release(): Promise<void> {
    released ??= letGo();
    return released;
  }

  function begin(): boolean {
    if (hasBegun || rate === undefined || beginByMs === undefined) return true;
    const lateMs = sharedNowMs() - beginByMs;
    if (lateMs > rate.perMs * TOO_LATE_PART) return false;
    if (lateMs > 0) books.post({ kind: "late", key, id, byMs: lateMs + LATE_BEYOND_MS });
    hasBegun = true;
    books.post({ kind: "drop", key, id, hasBegun: true });
    return true;
  }

  const turn: Turn = {
    key,
    holder: fencedBy,
    fencingToken,
    fence: lock.kind === "exclusive" ? "own" : lock.kind === "shared" ? "shared" : "none",
    signal: lost.signal,
    get lastWrite() {
      return state.lastWrite;
    },
    begin,
    checkDeadline() {
      if (lost.signal.aborted) throw lost.signal.reason;
      // A task that has begun has its quota, whatever happens to the broker.
      if (rate === undefined && (!state.isHeld || state.isPastDeadline)) throw lose("its deadline has passed");
    },
    renewUntil: (untilMs) => state.renewUntil(asSharedMs(untilMs)),
    release,
    handOn: release,
    [Symbol.asyncDispose]: release,
  };
  return { turn, lose: (reason) => void lose(reason), dropped: () => gone.resolve() };
}

/** The turn of a limiter that limits nothing now. It asks nobody. */
export function openGate(key: string): Turn {
  const { signal } = new AbortController();
  const release = async () => {};
  return {
    ...{
      key,
      holder: "",
      fencingToken: 0,
      fence: "none",
      signal,
      lastWrite: { revision: 0, sentAtMs: 0, answeredAtMs: 0 },
    },
    begin: () => true,
    checkDeadline() {},
    renewUntil() {},
    release,
    handOn: release,
    [Symbol.asyncDispose]: release,
  };
}
