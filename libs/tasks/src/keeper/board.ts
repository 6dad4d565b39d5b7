import { Buffer } from "node:buffer";

/** Messages on one board. */
const SLOTS = 1_024;
/** Bytes of a slot: three 32-bit numbers, and the subject for the message's acks. */
const SLOT_BYTES = 512;

// Cells of a slot. The first is 0 while the slot is free, and otherwise a number that it had never before.
const TURN = 0;
const UNTIL = 1;
const LENGTH = 2;
const TEXT = 3;
const CELL_BYTES = Int32Array.BYTES_PER_ELEMENT;
const CELLS = SLOT_BYTES / CELL_BYTES;
/** A stream's and a consumer's name, five numbers and a domain of 100 bytes fit in. */
const MAX_ACK_BYTES = SLOT_BYTES - TEXT * CELL_BYTES;

/** The unit of the times on a board, ms: from the board's first moment on it counts for six years. */
const TICK_MS = 100;

/** A message that gets heartbeats: the subject for its acks, and until when, on the shared monotonic clock, ms. */
export interface HeldMessage {
  readonly ack: string;
  readonly untilMs: number;
}

/** What two threads need to see one board. */
export interface SharedBoard {
  readonly memory: SharedArrayBuffer;
  /** On the shared monotonic clock, ms. */
  readonly epochMs: number;
}

/**
 * Messages in hand, in memory that the worker's thread writes and the heartbeats' thread reads: to tell it of each would cost both a tenth of what a small
 * task takes, and here it sees at once what is held, whatever the worker's thread does next.
 *
 * Each cell is written and read by `Atomics` alone. Plain reads may be made after the second look at a slot's turn on a processor that
 * orders memory loosely, and a text of two messages would get the heartbeat.
 */
export class Board {
  readonly shared: SharedBoard;
  readonly #cells: Int32Array;
  /** A text on its way between the cells and a string. */
  readonly #text = Buffer.alloc(MAX_ACK_BYTES);
  readonly #textCells = new Int32Array(this.#text.buffer, this.#text.byteOffset, MAX_ACK_BYTES / CELL_BYTES);
  /** Free slots, of which the last one let go of is next, so that few pages of the memory are ever touched. */
  readonly #free: number[];
  #turn = 0;

  constructor(shared: SharedBoard) {
    this.shared = shared;
    this.#cells = new Int32Array(shared.memory);
    this.#free = Array.from({ length: SLOTS }, (_, index) => SLOTS - 1 - index);
  }

  /** An empty board. */
  static create(epochMs: number): Board {
    return new Board({ memory: new SharedArrayBuffer(SLOTS * SLOT_BYTES), epochMs });
  }

  /** Whether a subject for acks is short enough. */
  static fits(ack: string): boolean {
    return ack.length <= MAX_ACK_BYTES;
  }

  /** Writes a message down and answers its slot; undefined: the board is full. */
  put({ ack, untilMs }: HeldMessage): number | undefined {
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    const cell = slot * CELLS;
    const length = this.#text.write(ack, "latin1");
    Atomics.store(this.#cells, cell + LENGTH, length);
    for (let at = 0; at * CELL_BYTES < length; at++) {
      Atomics.store(this.#cells, cell + TEXT + at, Number(this.#textCells[at]));
    }
    this.prolong(slot, untilMs);
    this.#turn = (this.#turn % 0x7fff_ffff) + 1;
    // From here on it is seen, with all that was written before.
    Atomics.store(this.#cells, cell + TURN, this.#turn);
    return slot;
  }

  /** Sets until when the message gets heartbeats. */
  prolong(slot: number, untilMs: number): void {
    // Rounded up, for the worker's thread counts on each heartbeat before that moment.
    const ticks = Math.min(0x7fff_ffff, Math.ceil((untilMs - this.shared.epochMs) / TICK_MS));
    Atomics.store(this.#cells, slot * CELLS + UNTIL, ticks);
  }

  /** Takes the message off. */
  remove(slot: number): void {
    Atomics.store(this.#cells, slot * CELLS + TURN, 0);
    this.#free.push(slot);
  }

  /** The messages that are on the board from before this call until it is their turn here, each whole. */
  *messages(): Generator<HeldMessage> {
    for (let slot = 0; slot < SLOTS; slot++) {
      const cell = slot * CELLS;
      const turn = Atomics.load(this.#cells, cell + TURN);
      if (turn === 0) continue;
      const length = Atomics.load(this.#cells, cell + LENGTH);
      for (let at = 0; at * CELL_BYTES < length; at++) {
        this.#textCells[at] = Atomics.load(this.#cells, cell + TEXT + at);
      }
      const ack = this.#text.toString("latin1", 0, length);
      const untilMs = this.shared.epochMs + Atomics.load(this.#cells, cell + UNTIL) * TICK_MS;
      // Another message may have come into the slot while it was read.
      if (Atomics.load(this.#cells, cell + TURN) === turn) yield { ack, untilMs };
    }
  }
}
