import test from "ava";
import { laneOf } from "./_policy_test.ts";
import type { Lane } from "./lane.ts";
import { RESERVED_MS, Ring } from "./ring.ts";

function ringOf(...vos: string[]): { readonly ring: Ring; readonly lanes: Lane[] } {
  const ring = new Ring("normal");
  const lanes = vos.map((vo, number) => laneOf(vo, "normal", number));
  for (const lane of lanes) {
    ring.add(lane);
    lane.find();
  }
  return { ring, lanes };
}

/** Pulls the next lane, which is served `count` messages at once. */
function serve(ring: Ring, { count = 1, nowMs = 0 } = {}): string | undefined {
  ring.look(nowMs);
  const lane = ring.next;
  lane?.pull(count, 1, nowMs);
  for (let each = 0; each < count; each++) lane?.deliver({ count: 1, streamSequence: 1, pending: 100 }, nowMs);
  return lane?.vo;
}

test("lanes are served in turn", (t) => {
  const { ring } = ringOf("a", "b", "c");
  t.deepEqual([serve(ring), serve(ring), serve(ring), serve(ring)], ["a", "b", "c", "a"]);
});

test("the share of a lane whose pull is on its way is kept for some milliseconds, and what it misses then it makes up for", (t) => {
  const { ring, lanes } = ringOf("slow", "fast");
  const [slow] = lanes;
  if (slow === undefined) throw new Error("there is a lane");
  ring.look(0);
  slow.pull(1, 1, 0);
  t.is(serve(ring), "fast");
  t.is(serve(ring), "fast"); // ahead by one turn
  t.is(serve(ring, { nowMs: RESERVED_MS - 1 }), undefined);
  t.is(ring.lookAgainAtMs, RESERVED_MS);
  for (let turn = 0; turn < 4; turn++) t.is(serve(ring, { nowMs: RESERVED_MS }), "fast");
  slow.deliver({ count: 1, streamSequence: 1, pending: 100 }, RESERVED_MS);
  const turns = Array.from({ length: 7 }, () => serve(ring, { nowMs: RESERVED_MS }));
  t.deepEqual(turns, ["slow", "slow", "slow", "slow", "slow", "slow", "fast"]);
});

test("a lane that has nothing more than was asked for keeps no room from others", (t) => {
  const { ring, lanes } = ringOf("small", "large");
  const [small] = lanes;
  small?.pull(1, 1, 0);
  small?.empty(0);
  small?.wake(1);
  ring.look(0);
  small?.pull(1, 1, 0);
  for (let turn = 0; turn < 10; turn++) t.is(serve(ring), "large");
});

test("a lane that was idle makes nothing up for the time when it had no work", (t) => {
  const { ring, lanes } = ringOf("busy", "idle");
  const [, idle] = lanes;
  if (idle === undefined) throw new Error("there is a lane");
  idle.pull(1, 1, 0);
  idle.empty(0);
  for (let turn = 0; turn < 100; turn++) t.is(serve(ring), "busy");
  idle.find();
  const turns = Array.from({ length: 10 }, () => serve(ring));
  t.true(turns.filter((vo) => vo === "idle").length <= 6, turns.join());
});

test("a lane that rests is passed over, and the end of its rest is told", (t) => {
  const { ring, lanes } = ringOf("resting", "other");
  const [resting] = lanes;
  resting?.pull(1, 1, 0);
  resting?.refuse(0);
  t.is(serve(ring), "other");
  t.is(ring.lookAgainAtMs, 200);
  t.false(ring.holdsBack());
  t.is(serve(ring, { nowMs: 200 }), "resting");
});
