import test from "ava";
import { defineLockType } from "../definition/lock_type.ts";
import type { ToBooks } from "../tally/book_messages.ts";
import { momentNow, sharedNowMs } from "../lease/clocks.ts";
import { LeaseState } from "../lease/lease_state.ts";
import { openTallyLease } from "./tally_lease.ts";

const lock = defineLockType("tally_lease").rate("r", "10/1m");
const limit = { rate: { count: 10, perMs: 60_000 } };

/** A task of a rate that should have begun `lateMs` ago, and what it told. */
function granted(lateMs: number) {
  const told: ToBooks[] = [];
  const state = new LeaseState(15_000);
  state.noteWrite(1, momentNow());
  const { turn } = openTallyLease({
    ...{ id: 7, lock, limit, state },
    books: { post: (message) => void told.push(message), listen() {} },
    granted: { kind: "granted", id: 7, fencingToken: 1, fencedBy: "h", beginByMs: sharedNowMs() - lateMs },
  });
  return { turn, told, kinds: () => told.map(({ kind }) => kind) };
}

test("a task that begins in time uses its quota as it was counted, and gives none back afterwards", async (t) => {
  const { turn, told } = granted(-10_000);
  t.true(turn.begin?.());
  await turn.release();
  t.deepEqual(told, [{ kind: "drop", key: lock.key, id: 7, hasBegun: true }]);
});

test("a task that begins late is counted later, by as much and a little more", (t) => {
  const { turn, told, kinds } = granted(5_000);
  t.true(turn.begin?.());
  t.deepEqual(kinds(), ["late", "drop"]);
  t.true(told[0]?.kind === "late" && told[0].byMs > 5_000);
});

test("a task that would begin later than half a window does not begin, and gives its quota back", async (t) => {
  const { turn, told } = granted(31_000);
  t.false(turn.begin?.());
  await turn.release();
  t.deepEqual(told, [{ kind: "drop", key: lock.key, id: 7, hasBegun: false }]);
});

test("a task that does not begin gives its quota back once", async (t) => {
  const { turn, told } = granted(-10_000);
  await turn.release();
  await turn.release();
  t.deepEqual(told, [{ kind: "drop", key: lock.key, id: 7, hasBegun: false }]);
});
