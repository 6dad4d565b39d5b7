import { elapsedMs, type Moment, sharedNowMs } from "./clocks.ts";

/** How much sooner than the server's a holder's own deadline is, ms: for the clocks' drift and for what is on its way to the database. */
export const SAFETY_MS = 1_000;

// Cells of the shared memory, 64 bits each.
const STATE = 0;
const REVISION = 1;
const SENT_MONOTONIC_US = 2;
const SENT_WALL_MS = 3;
const ANSWERED_WALL_MS = 4;
const UNTIL_MONOTONIC_US = 5;
const CELLS = 6;

// A lease begins held and ends once, let go of or lost, by whichever thread is first to say so.
const HELD = 0n;
const LET_GO = 1n;
const LOST = 2n;

/** The last write of a lease that the broker has stored. Times are this process's wall clock, ms. */
export interface LeaseWrite {
  readonly revision: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * What the thread that renews a lease and the thread that holds it both know of it.
 *
 * It lies in shared memory, so that a holder which was busy for seconds sees at once what was renewed meanwhile.
 */
export class LeaseState {
  readonly shared: SharedArrayBuffer;
  readonly ttlMs: number;
  readonly #cells: BigInt64Array;

  constructor(ttlMs: number, shared = new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.ttlMs = ttlMs;
    this.#cells = new BigInt64Array(shared);
  }

  #read(cell: number): number {
    return Number(Atomics.load(this.#cells, cell));
  }

  #write(cell: number, value: number): void {
    Atomics.store(this.#cells, cell, BigInt(Math.round(value)));
  }

  /** Notes a write that is stored. `sent` is a moment no later than its sending: the server's clock may have started then. */
  noteWrite(revision: number, sent: Moment): void {
    this.#write(REVISION, revision);
    // Between the two the pair is older than the write, which errs on the safe side.
    this.#write(SENT_MONOTONIC_US, sent.monotonicMs * 1_000);
    this.#write(SENT_WALL_MS, sent.wallMs);
    this.#write(ANSWERED_WALL_MS, Date.now());
  }

  get revision(): number {
    return this.#read(REVISION);
  }

  get sent(): Moment {
    return { monotonicMs: this.#read(SENT_MONOTONIC_US) / 1_000, wallMs: this.#read(SENT_WALL_MS) };
  }

  /** Says when renewing stops: on the shared monotonic clock, ms. Before it is said, and for Infinity: never. */
  renewUntil(ms: number): void {
    this.#write(UNTIL_MONOTONIC_US, Number.isFinite(ms) ? ms * 1_000 : 0);
  }

  /** The moment after which the lease is not renewed, on the shared monotonic clock, ms. */
  get renewedUntilMs(): number {
    return this.#read(UNTIL_MONOTONIC_US) / 1_000 || Number.POSITIVE_INFINITY;
  }

  get lastWrite(): LeaseWrite {
    for (;;) {
      const revision = this.revision;
      const write = { revision, sentAtMs: this.#read(SENT_WALL_MS), answeredAtMs: this.#read(ANSWERED_WALL_MS) };
      // A renewal that came between would pair one write's revision with another's times.
      if (this.revision === revision) return write;
    }
  }

  /** Whether the deadline has passed, on whichever clock moved more. */
  get isPastDeadline(): boolean {
    return elapsedMs(this.sent) > this.ttlMs - SAFETY_MS;
  }

  /** Whether the deadline has passed on the clock that cannot jump. */
  get isSurelyPastDeadline(): boolean {
    return sharedNowMs() - this.sent.monotonicMs > this.ttlMs - SAFETY_MS;
  }

  get isHeld(): boolean {
    return Atomics.load(this.#cells, STATE) === HELD;
  }

  /** Ends the lease. True if it was held until this call. */
  end(how: "letGo" | "lost"): boolean {
    return Atomics.compareExchange(this.#cells, STATE, HELD, how === "lost" ? LOST : LET_GO) === HELD;
  }
}
