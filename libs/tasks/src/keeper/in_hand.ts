// Tested by libs/tasks/src/keeper/keeper_test.ts
import { asSharedMs, sharedNowMs } from "../lease/clocks.ts";
import type { Observer } from "../connection/observer.ts";
import { Board, type SharedBoard } from "./board.ts";
import type { MessageInHand, Ownership } from "./ownership.ts";

/** A message that gets heartbeats. Only this file writes it; `Ownership` reads it. Times are by the shared monotonic clock, ms. */
export interface HeldMessage extends MessageInHand {
  heldAtMs: number;
  untilMs: number;
  readonly board: Board;
  readonly row: number;
}

/** A message that was pulled. Times are by `performance.now()`, ms. */
export interface PulledMessage {
  /** The subject of its ack. */
  readonly ack: string;
  /** When the pull that brought it was sent, or any moment before. A busy thread reads late, so the time of reading would be too late. */
  readonly pulledAtMs: number;
  /** No heartbeat is sent after this moment. */
  readonly untilMs: number;
  /**
   * Written by `hold` and `letGo`, read by them and `owns`; undefined at first. It is kept here, since the former tables of a `Map` keep
   * what was in them alive.
   */
  held: HeldMessage | undefined;
}

/** The messages in hand as the worker's thread sees them. The heartbeats' thread reads them from boards. */
export interface MessagesInHand {
  /** Begins heartbeats. Call it once for each batch, before any of it runs. A later call for the same message only changes its end. */
  hold(messages: readonly PulledMessage[]): void;
  /** Ends heartbeats. */
  letGo(message: PulledMessage): void;
  /**
   * Whether the held message is certainly not with another worker. Once it returns false, the holder may only ack a recorded outcome. It
   * must not nak, term or fail the message. Returns false for a message that is not held.
   */
  owns(message: PulledMessage): boolean;
}

interface InHandOptions {
  readonly ownership: Ownership;
  readonly observer: Observer;
  /** Sends one more board to the heartbeats' thread. */
  addBoard(board: SharedBoard): void;
}

/** Begins with no messages. */
export function openInHand({ ownership, observer, addBoard }: InHandOptions): MessagesInHand {
  const boards: Board[] = [];

  function put(ack: string, untilMs: number): Pick<HeldMessage, "board" | "row"> {
    for (const board of boards) {
      const row = board.put({ ack, untilMs });
      if (row !== undefined) return { board, row };
    }
    const board = Board.create(sharedNowMs());
    boards.push(board);
    addBoard(board.shared);
    return put(ack, untilMs);
  }

  function begin(message: PulledMessage, untilMs: number): HeldMessage | undefined {
    const { ack, pulledAtMs } = message;
    if (!Board.fits(ack)) {
      observer.note("A message gets no heartbeats: the subject for its acks is too long", { ack });
      return undefined;
    }
    const held = {
      pulledAtMs: asSharedMs(pulledAtMs),
      heldAtMs: Number.POSITIVE_INFINITY,
      untilMs,
      ...put(ack, untilMs),
    };
    message.held = held;
    return held;
  }

  return {
    hold(messages) {
      const begun: HeldMessage[] = [];
      for (const message of messages) {
        const untilMs = asSharedMs(message.untilMs);
        const known = message.held;
        if (known === undefined) {
          const held = begin(message, untilMs);
          if (held !== undefined) begun.push(held);
        } else {
          known.untilMs = untilMs;
          known.board.prolong(known.row, untilMs);
        }
      }
      // The time is taken last, since a round of heartbeats that began before may have missed some of them.
      const heldAtMs = sharedNowMs();
      for (const held of begun) held.heldAtMs = heldAtMs;
    },
    letGo(message) {
      const { held } = message;
      message.held = undefined;
      held?.board.remove(held.row);
    },
    owns({ held }) {
      return held !== undefined && ownership.owns(held);
    },
  };
}
