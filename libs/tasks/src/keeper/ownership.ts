import { sharedNowMs } from "../locks/clocks.ts";

// Cells of the shared memory, 64 bits each; times are microseconds of the shared monotonic clock.
const BEAT_AT_US = 0;
const SINCE_US = 1;
const ENDED = 2;
const CELLS = 3;

/** What is known of a message in hand. Times are of the shared monotonic clock, ms. */
export interface MessageInHand {
  /** When the pull that brought it was sent: the server's ack wait began no sooner. */
  readonly pulledAtMs: number;
  /** When its heartbeats were asked for. */
  readonly heldAtMs: number;
  /** No heartbeat is sent for it after this moment. */
  readonly untilMs: number;
}

/**
 * Until when this process may count a message as its own (PROTOCOL 2.3), as numbers that the heartbeats' thread writes and the
 * worker's thread reads at once, even if it was busy in between.
 */
export class Ownership {
  readonly shared: SharedArrayBuffer;
  /** How long one heartbeat, or the delivery, keeps a message ours: the ack wait less 5 s, ms. */
  readonly #windowMs: number;
  readonly #cells: BigInt64Array;

  constructor(windowMs: number, shared = new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#windowMs = windowMs;
    this.#cells = new BigInt64Array(shared);
  }

  #read(cell: number): number {
    return Number(Atomics.load(this.#cells, cell)) / 1_000;
  }

  #write(cell: number, ms: number): void {
    Atomics.store(this.#cells, cell, BigInt(Math.round(ms * 1_000)));
  }

  /** Notes a round of heartbeats that has reached the server; `startedAtMs` is before its first was sent. */
  noteBeat(startedAtMs: number): void {
    // After a longer silence the server has given the messages to others, and no later heartbeat brings them back. What was pulled
    // lately is none of them: another connection may have found the server before ours did.
    if (startedAtMs - this.#read(BEAT_AT_US) > this.#windowMs) this.lapse(startedAtMs - this.#windowMs);
    this.#write(BEAT_AT_US, startedAtMs);
  }

  /** Whatever was pulled before this moment is ours no more. */
  lapse(atMs: number): void {
    this.#write(SINCE_US, Math.max(atMs, this.#read(SINCE_US)));
  }

  /** Nothing is ours any more, nor will be. */
  end(): void {
    Atomics.store(this.#cells, ENDED, 1n);
  }

  get hasEnded(): boolean {
    return Atomics.load(this.#cells, ENDED) === 1n;
  }

  /** Whether the message is surely still ours: no other worker has it. */
  owns({ pulledAtMs, heldAtMs, untilMs }: MessageInHand): boolean {
    if (this.hasEnded || pulledAtMs < this.#read(SINCE_US)) return false;
    // Read too late, by a thread that was busy: its heartbeats may go to another's delivery.
    if (heldAtMs - pulledAtMs > this.#windowMs) return false;
    const beatAtMs = this.#read(BEAT_AT_US);
    const lastMs = beatAtMs > heldAtMs ? Math.min(beatAtMs, untilMs) : pulledAtMs;
    return sharedNowMs() - lastMs < this.#windowMs;
  }
}
