import test from "ava";
import { atLeastOnceFactory } from "../definition/task.ts";
import type { Lane } from "./lane.ts";
import { Ring } from "./lane.ts";
import { newLane } from "./lane_consumer.ts";

const definition = atLeastOnceFactory()({ name: "RingTask", per: "vo", execute() {} });

function ringOf(...vos: string[]): { readonly ring: Ring; readonly lanes: Lane[] } {
  const ring = new Ring("normal");
  const lanes = vos.map((vo, number) => ({ ...newLane({ number, definition, vo }), untilEmpty: false, pending: 100 }));
  for (const lane of lanes) ring.add(lane);
  return { ring, lanes };
}

/** Pulls the next lane, which is served `count` messages at once. */
function serve(ring: Ring, count = 1): string | undefined {
  const lane = ring.next(0);
  if (lane !== undefined) lane.served += count;
  return lane?.vo;
}

test("lanes are served in turn", (t) => {
  const { ring } = ringOf("a", "b", "c");
  t.deepEqual([serve(ring), serve(ring), serve(ring), serve(ring)], ["a", "b", "c", "a"]);
});

test("a lane whose pull took long makes up for what it missed", (t) => {
  const { ring, lanes } = ringOf("slow", "fast");
  const [slow] = lanes;
  if (slow === undefined) throw new Error("there is a lane");
  slow.asked = 1;
  for (let turn = 0; turn < 4; turn++) t.is(serve(ring), "fast");
  slow.asked = 0;
  for (let turn = 0; turn < 4; turn++) t.is(serve(ring), "slow");
  t.is(serve(ring), "slow"); // level again, and its place is the first
  t.is(serve(ring), "fast");
});

test("a lane that was idle has no claim on the time when it had no work", (t) => {
  const { ring, lanes } = ringOf("busy", "idle");
  const [, idle] = lanes;
  if (idle === undefined) throw new Error("there is a lane");
  idle.pending = 0;
  for (let turn = 0; turn < 100; turn++) t.is(serve(ring), "busy");
  idle.pending = 100;
  const turns = Array.from({ length: 10 }, () => serve(ring));
  t.true(turns.filter((vo) => vo === "idle").length <= 6, turns.join());
});
