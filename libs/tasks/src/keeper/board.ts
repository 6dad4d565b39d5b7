import { Buffer } from "node:buffer";

/** Largest number of messages on one board. */
const ROWS = 1_024;
/** Size of a row, bytes: three 32-bit numbers and the subject for the message's acks. */
const ROW_BYTES = 512;

// Cells of a row. TURN is 0 while the row is free, and otherwise a number that the row never had before.
const TURN = 0;
const UNTIL = 1;
const LENGTH = 2;
const TEXT = 3;
const CELL_BYTES = Int32Array.BYTES_PER_ELEMENT;
const CELLS = ROW_BYTES / CELL_BYTES;
/** Longest subject for acks, bytes. The names of stream and consumer, five numbers and a domain of 100 bytes fit in. */
const MAX_ACK_BYTES = ROW_BYTES - TEXT * CELL_BYTES;

/** Unit of the times on a board, ms. A cell counts six years from the board's first moment. */
const TICK_MS = 100;

/** A message that gets heartbeats: the subject for its acks, and when they end, by the shared monotonic clock, ms. */
export interface HeldMessage {
  readonly ack: string;
  readonly untilMs: number;
}

/** The parts of a board that two threads share. */
export interface SharedBoard {
  readonly memory: SharedArrayBuffer;
  /** The board's first moment, by the shared monotonic clock, ms. */
  readonly epochMs: number;
}

/**
 * Messages in hand, in memory that the worker's thread writes and the heartbeats' thread reads. A message between the threads for each
 * task would cost both of them a tenth of what a small task takes. Here the heartbeats' thread sees at once what is held, whatever the
 * worker's thread does next.
 *
 * Each cell is written and read only by `Atomics`. On a processor that orders memory loosely, plain reads may be made after the second
 * look at a row's turn. Then the heartbeat would go to a subject mixed from two messages.
 */
export class Board {
  readonly shared: SharedBoard;
  readonly #cells: Int32Array;
  /** Buffer for a text on its way between the cells and a string. */
  readonly #text = Buffer.alloc(MAX_ACK_BYTES);
  readonly #textCells = new Int32Array(this.#text.buffer, this.#text.byteOffset, MAX_ACK_BYTES / CELL_BYTES);
  /** Free rows. The one that was freed last is used next, so that few pages of the memory are ever touched. */
  readonly #free: number[];
  #turn = 0;

  constructor(shared: SharedBoard) {
    this.shared = shared;
    this.#cells = new Int32Array(shared.memory);
    this.#free = Array.from({ length: ROWS }, (_, index) => ROWS - 1 - index);
  }

  /** Makes an empty board. */
  static create(epochMs: number): Board {
    return new Board({ memory: new SharedArrayBuffer(ROWS * ROW_BYTES), epochMs });
  }

  /** Whether a subject for acks is short enough. */
  static fits(ack: string): boolean {
    return ack.length <= MAX_ACK_BYTES;
  }

  /** Writes a message to the board and returns its row; undefined: the board is full. */
  put({ ack, untilMs }: HeldMessage): number | undefined {
    const row = this.#free.pop();
    if (row === undefined) return undefined;
    const cell = row * CELLS;
    const length = this.#text.write(ack, "latin1");
    Atomics.store(this.#cells, cell + LENGTH, length);
    for (let at = 0; at * CELL_BYTES < length; at++) {
      Atomics.store(this.#cells, cell + TEXT + at, Number(this.#textCells[at]));
    }
    this.prolong(row, untilMs);
    this.#turn = (this.#turn % 0x7fff_ffff) + 1;
    // From here on the reader sees the row, with everything that was written before.
    Atomics.store(this.#cells, cell + TURN, this.#turn);
    return row;
  }

  /** Sets until when the message gets heartbeats. */
  prolong(row: number, untilMs: number): void {
    // Rounded up, since the worker's thread relies on each heartbeat before that moment.
    const ticks = Math.min(0x7fff_ffff, Math.ceil((untilMs - this.shared.epochMs) / TICK_MS));
    Atomics.store(this.#cells, row * CELLS + UNTIL, ticks);
  }

  /** Removes the message. */
  remove(row: number): void {
    Atomics.store(this.#cells, row * CELLS + TURN, 0);
    this.#free.push(row);
  }

  /** Yields the messages that are on the board from before this call until they are reached. None is mixed from two messages. */
  *messages(): Generator<HeldMessage> {
    for (let row = 0; row < ROWS; row++) {
      const cell = row * CELLS;
      const turn = Atomics.load(this.#cells, cell + TURN);
      if (turn === 0) continue;
      const length = Atomics.load(this.#cells, cell + LENGTH);
      for (let at = 0; at * CELL_BYTES < length; at++) {
        this.#textCells[at] = Atomics.load(this.#cells, cell + TEXT + at);
      }
      const ack = this.#text.toString("latin1", 0, length);
      const untilMs = this.shared.epochMs + Atomics.load(this.#cells, cell + UNTIL) * TICK_MS;
      // Another message may have come into the row while it was read.
      if (Atomics.load(this.#cells, cell + TURN) === turn) yield { ack, untilMs };
    }
  }
}
