import { parentPort, workerData } from "node:worker_threads";
import { Board, type SharedBoard } from "./board.ts";

/** What a reader is given: a board, a number that is not 0 any more once it is to end, and one that counts the messages it has seen. */
export interface ReaderData {
  readonly board: SharedBoard;
  readonly cells: Int32Array;
}

/** Reads the board until told to end, and tells the messages that are not of one letter only. */
const { board, cells } = workerData as ReaderData;
const other = new Board(board);
const torn: string[] = [];
parentPort?.postMessage("ready");
while (Atomics.load(cells, 0) === 0) {
  for (const { ack } of other.messages()) {
    Atomics.add(cells, 1, 1);
    if (ack !== ack.charAt(0).repeat(ack.length)) torn.push(ack);
  }
}
parentPort?.postMessage(torn.slice(0, 3));
