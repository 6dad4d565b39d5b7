import { parentPort, workerData } from "node:worker_threads";
import { Board, type SharedBoard } from "./board.ts";

/** What a reader is given: a board, and a number that is not 0 any more once it is to end. */
export interface ReaderData {
  readonly board: SharedBoard;
  readonly end: Int32Array;
}

/** Reads the board until told to end, and tells how many messages it saw, and those that are not of one letter only. */
const { board, end } = workerData as ReaderData;
const other = new Board(board);
let seen = 0;
const torn: string[] = [];
parentPort?.postMessage("ready");
while (Atomics.load(end, 0) === 0) {
  for (const { ack } of other.messages()) {
    seen++;
    if (ack !== ack.charAt(0).repeat(ack.length)) torn.push(ack);
  }
}
parentPort?.postMessage({ seen, torn: torn.slice(0, 3) });
