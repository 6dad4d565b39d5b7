import test from "ava";
import { createLook, ownTidiness } from "./tidy.ts";

const MB = 1024 * 1024;

/** A process of which the test says what it does. `collected` counts; each collection leaves 20 MB. */
function makeProcess() {
  const state = { share: 0, heap: 34 * MB, collected: 0 };
  const look = createLook({
    busyShare: () => state.share,
    heapBytes: () => state.heap,
    collect() {
      state.collected++;
      state.heap = 20 * MB;
    },
  });
  return { state, look };
}

test("an idle process is collected once, and again only when its heap has grown by 8 MB", (t) => {
  const { state, look } = makeProcess();
  look();
  look();
  t.is(state.collected, 1);
  state.heap = 27 * MB;
  look();
  t.is(state.collected, 1);
  state.heap = 28 * MB;
  look();
  t.is(state.collected, 2);
});

test("a busy process is left alone until it is idle", (t) => {
  const { state, look } = makeProcess();
  state.share = 0.2;
  look();
  t.is(state.collected, 0);
  state.share = 0.01;
  look();
  t.is(state.collected, 1);
});

test("a collection gives the memory of garbage back", (t) => {
  const { heapBytes, collect } = ownTidiness();
  let garbage: number[][] | undefined = Array.from({ length: 64 }, (_, row) => new Array<number>(MB / 8).fill(row));
  const full = heapBytes();
  t.is(garbage.length, 64);
  garbage = undefined;
  collect();
  t.true(full - heapBytes() > 32 * MB, `${full} and ${heapBytes()}`);
});
