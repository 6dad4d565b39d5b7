import test from "ava";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ReaderData } from "./_board_reader_test.ts";
import { Board, type HeldMessage } from "./board.ts";

const EPOCH_MS = 1_000_000;

/** A board, and what another thread sees of it. */
function twoSides() {
  const board = Board.create(EPOCH_MS);
  const other = new Board(board.shared);
  return { board, seen: (): readonly HeldMessage[] => [...other.messages()] };
}

function put(board: Board, ack: string, untilMs = EPOCH_MS + 1_000): number {
  const row = board.put({ ack, untilMs });
  if (row === undefined) throw new Error("the board is full");
  return row;
}

test("what is put on a board is seen from its other side until it is taken off", (t) => {
  const { board, seen } = twoSides();
  const first = put(board, "$JS.ACK.TASKS.NoOpTask__lhcb.1.4711.17.1764095193000000000.0");
  put(board, "$JS.ACK.b");
  t.deepEqual(
    seen()
      .map(({ ack }) => ack)
      .sort(),
    ["$JS.ACK.TASKS.NoOpTask__lhcb.1.4711.17.1764095193000000000.0", "$JS.ACK.b"],
  );
  board.remove(first);
  t.deepEqual(
    seen().map(({ ack }) => ack),
    ["$JS.ACK.b"],
  );
  put(board, "$JS.ACK.c");
  t.deepEqual(
    seen()
      .map(({ ack }) => ack)
      .sort(),
    ["$JS.ACK.b", "$JS.ACK.c"],
    "a shorter one leaves nothing of the first",
  );
});

test("heartbeats do not end before a message's time, nor a tenth of a second after it", (t) => {
  const { board, seen } = twoSides();
  const row = put(board, "$JS.ACK.a", EPOCH_MS + 1_234);
  const [message] = seen();
  t.true(message !== undefined && message.untilMs >= EPOCH_MS + 1_234 && message.untilMs < EPOCH_MS + 1_334);
  board.prolong(row, Number.POSITIVE_INFINITY);
  t.true(seen().every(({ untilMs }) => untilMs > EPOCH_MS + 1e9));
});

test("a board that is full says so, and has room again for what is taken off", (t) => {
  const { board, seen } = twoSides();
  const rows: number[] = [];
  for (let row = board.put({ ack: "$JS.ACK.a", untilMs: EPOCH_MS }); row !== undefined; ) {
    rows.push(row);
    row = board.put({ ack: "$JS.ACK.a", untilMs: EPOCH_MS });
  }
  t.true(rows.length >= 1_000);
  t.is(seen().length, rows.length);
  for (const row of rows) board.remove(row);
  t.is(seen().length, 0);
  t.not(board.put({ ack: "$JS.ACK.a", untilMs: EPOCH_MS }), undefined);
});

test("a subject that would not fit is told before", (t) => {
  t.true(Board.fits(`$JS.ACK.${"d".repeat(90)}.hash.TASKS.${"c".repeat(255)}.1.${"9".repeat(70)}`));
  t.false(Board.fits("x".repeat(501)));
});

test("a message that is taken off and replaced while another thread reads is seen whole or not at all", async (t) => {
  const board = Board.create(EPOCH_MS);
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const reader = new Worker(new URL("_board_reader_test.ts", import.meta.url), {
    workerData: { board: board.shared, cells } satisfies ReaderData,
  });
  t.deepEqual(await once(reader, "message"), ["ready"]);
  for (let number = 0; number < 100_000 || Atomics.load(cells, 1) < 100; number++) {
    const row = put(board, String.fromCharCode(97 + (number % 26)).repeat(60 + (number % 40)));
    // Some stay as long as the reader takes for one, some leave while it reads.
    for (let look = 0; look < number % 100; look++) Atomics.load(cells, 0);
    board.remove(row);
  }
  const told = once(reader, "message");
  Atomics.store(cells, 0, 1);
  t.deepEqual(await told, [[]]);
});
