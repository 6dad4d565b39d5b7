import { sharedNowMs } from "../lease/clocks.ts";

// Cells of the shared memory, 64 bits each. Times are microseconds of the shared monotonic clock. The heartbeats' thread writes the first
// two and the worker's thread writes ENDED. The worker's thread reads all of them.
const BEAT_AT_US = 0;
const SINCE_US = 1;
const ENDED = 2;
const CELLS = 3;

/** The times of a message in hand, by the shared monotonic clock, ms. */
export interface MessageInHand {
  /** When the pull that brought it was sent. The server's ack wait did not begin before. */
  readonly pulledAtMs: number;
  /** When its heartbeats were requested. */
  readonly heldAtMs: number;
  /** No heartbeat is sent for it after this moment. */
  readonly untilMs: number;
}

/**
 * Tells until when this process may count a message as its own (PROTOCOL 2.3). The heartbeats' thread writes both times. The worker's
 * thread reads them at once, even if it was busy in between.
 */
export class Ownership {
  readonly shared: SharedArrayBuffer;
  /** Time for which one heartbeat, or the delivery, keeps a message ours, ms: the ack wait less 5 s. */
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
    // After a longer silence the server has given the messages to other workers, and no later heartbeat brings them back. Messages that
    // were pulled lately are not among them, since another connection may have found the server before ours did.
    if (startedAtMs - this.#read(BEAT_AT_US) > this.#windowMs) this.lapse(startedAtMs - this.#windowMs);
    this.#write(BEAT_AT_US, startedAtMs);
  }

  /** No message that was pulled before this moment is ours any more. */
  lapse(atMs: number): void {
    this.#write(SINCE_US, Math.max(atMs, this.#read(SINCE_US)));
  }

  /** No message is ours any more, now or later. */
  end(): void {
    Atomics.store(this.#cells, ENDED, 1n);
  }

  get hasEnded(): boolean {
    return Atomics.load(this.#cells, ENDED) === 1n;
  }

  /** Whether the message is certainly still ours, so that no other worker has it. */
  owns({ pulledAtMs, heldAtMs, untilMs }: MessageInHand): boolean {
    if (this.hasEnded || pulledAtMs < this.#read(SINCE_US)) return false;
    // A busy thread has read it too late. Its heartbeats may reach the delivery of another worker.
    if (heldAtMs - pulledAtMs > this.#windowMs) return false;
    const beatAtMs = this.#read(BEAT_AT_US);
    const lastMs = beatAtMs > heldAtMs ? Math.min(beatAtMs, untilMs) : pulledAtMs;
    return sharedNowMs() - lastMs < this.#windowMs;
  }
}
