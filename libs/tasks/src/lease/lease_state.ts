import { elapsedMs, type Moment, sharedNowMs } from "./clocks.ts";

/** Time by which a holder's own deadline is before the server's, ms. It covers clock drift and statements on their way to the database. */
export const SAFETY_MS = 1_000;

// Cells of the shared memory, 64 bits each.
const STATE = 0;
const REVISION = 1;
const SENT_MONOTONIC_US = 2;
const SENT_WALL_MS = 3;
const ANSWERED_WALL_MS = 4;
const UNTIL_MONOTONIC_US = 5;
const CELLS = 6;

// Values of STATE. A lease begins as held. It ends once, as let go of or lost, by the thread that is first to say so.
const HELD = 0n;
const LET_GO = 1n;
const LOST = 2n;

/** The last write of a lease that the broker has stored. Times are by this process's wall clock, ms. */
export interface LeaseWrite {
  readonly revision: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * The state of a lease that is shared by the thread that renews it and the thread that holds it.
 *
 * It lies in shared memory, so that a holder that was busy for seconds sees at once which renewals were made meanwhile. Who writes:
 * - STATE: both threads, once in all. The holder releases the lease, and either thread may find it lost.
 * - REVISION, SENT and ANSWERED: the holder when it takes the lock, then only the renewing thread.
 * - UNTIL: the holder, at the begin of each turn.
 * Both threads read all cells but ANSWERED and UNTIL: the holder reads the first, the renewing thread the second.
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

  /** Notes a write that is stored. `sent` must not be later than its sending, since the TTL at the server may have begun then. */
  noteWrite(revision: number, sent: Moment): void {
    this.#write(REVISION, revision);
    // A reader between the two stores sees an older time than that of the write, which is the safe side.
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

  /** Sets when renewing stops, by the shared monotonic clock, ms. Before the first call, and for Infinity, it never stops. */
  renewUntil(ms: number): void {
    this.#write(UNTIL_MONOTONIC_US, Number.isFinite(ms) ? ms * 1_000 : 0);
  }

  /** The moment after which the lease is not renewed, by the shared monotonic clock, ms. */
  get renewedUntilMs(): number {
    return this.#read(UNTIL_MONOTONIC_US) / 1_000 || Number.POSITIVE_INFINITY;
  }

  get lastWrite(): LeaseWrite {
    for (;;) {
      const revision = this.revision;
      const write = { revision, sentAtMs: this.#read(SENT_WALL_MS), answeredAtMs: this.#read(ANSWERED_WALL_MS) };
      // Repeats where a renewal came between: it would pair the revision of one write with the times of another.
      if (this.revision === revision) return write;
    }
  }

  /** Whether the deadline has passed, by the clock that moved more. */
  get isPastDeadline(): boolean {
    return elapsedMs(this.sent) > this.ttlMs - SAFETY_MS;
  }

  /** Whether the deadline has passed by the clock that cannot jump. */
  get isSurelyPastDeadline(): boolean {
    return sharedNowMs() - this.sent.monotonicMs > this.ttlMs - SAFETY_MS;
  }

  get isHeld(): boolean {
    return Atomics.load(this.#cells, STATE) === HELD;
  }

  /** Ends the lease. Returns true if it was held until this call. */
  end(how: "letGo" | "lost"): boolean {
    return Atomics.compareExchange(this.#cells, STATE, HELD, how === "lost" ? LOST : LET_GO) === HELD;
  }
}
