// Tested by libs/tasks/src/keeper/keeper_test.ts
import { asSharedMs, sharedNowMs } from "../locks/clocks.ts";
import type { Observer } from "../connection/observer.ts";
import { Board, type SharedBoard } from "./board.ts";
import type { MessageInHand, Ownership } from "./ownership.ts";

/** What is known of a message under heartbeat. Times are the shared monotonic clock's, ms. */
export interface HeldMessage extends MessageInHand {
  heldAtMs: number;
  untilMs: number;
  readonly board: Board;
  readonly row: number;
}

/** A message that was pulled. Times are `performance.now()`, ms. */
export interface PulledMessage {
  /** The subject to which its ack goes. */
  readonly ack: string;
  /** When the pull that brought it was sent, or any moment before. The moment it was read is too late: a busy thread reads late. */
  readonly pulledAtMs: number;
  /** No heartbeat is sent after this moment. */
  readonly untilMs: number;
  /** Written by `hold` and `letGo`; undefined at first. It stands here and in no table: those of a Map outlive what was in them. */
  held: HeldMessage | undefined;
}

/** The messages of which the heartbeats' thread reads from boards, as the worker's thread knows them. */
export interface MessagesInHand {
  /** Begins heartbeats. One call for each batch, before any of it runs. A later call for the same message only changes its end. */
  hold(messages: readonly PulledMessage[]): void;
  /** Ends heartbeats. */
  letGo(message: PulledMessage): void;
  /**
   * Whether the held message is surely not with another worker. Once false, the holder may only ack what is recorded: no nak, no
   * term, no failure. False for a message that is not held.
   */
  owns(message: PulledMessage): boolean;
}

interface InHandOptions {
  readonly ownership: Ownership;
  readonly observer: Observer;
  /** Tells the heartbeats' thread of one more board. */
  addBoard(board: SharedBoard): void;
}

/** None yet. */
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
      observer.note("A message gets no heartbeats, for its subject for acks is too long", { ack });
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
      // Taken last: a round of heartbeats that began before it may have missed some of them.
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
