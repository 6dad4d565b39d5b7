import test from "ava";
import { laneOf } from "./_policy_test.ts";

const delivery = { count: 1, streamSequence: 1, pending: 0 };

test("a wake, a survey and a hand-back make an idle lane ready, and an old wake does not", (t) => {
  const woken = laneOf("a");
  t.is(woken.state, "idle");
  woken.wake(5);
  t.deepEqual([woken.state, woken.known], ["ready", 1]);
  const found = laneOf("b");
  found.find();
  t.deepEqual([found.state, found.known], ["ready", Number.POSITIVE_INFINITY]);
  const handedBack = laneOf("c");
  handedBack.wake(undefined);
  t.is(handedBack.state, "ready");

  woken.pull(1, 1, 0);
  woken.deliver({ ...delivery, streamSequence: 7 }, 0);
  t.is(woken.state, "idle");
  woken.wake(6);
  t.is(woken.state, "idle");
});

test("a pull is over with its last message, and the lane is ready for more only where more waits", (t) => {
  const lane = laneOf("a");
  lane.wake(1);
  lane.pull(2, 1, 0);
  t.is(lane.state, "pulling");
  lane.deliver({ ...delivery, pending: 9 }, 0);
  t.deepEqual([lane.state, lane.asked], ["pulling", 1]);
  lane.deliver({ ...delivery, streamSequence: 2, pending: 8 }, 0);
  t.deepEqual([lane.state, lane.known], ["ready", 8]);
  lane.pull(1, 1, 0);
  lane.deliver({ ...delivery, streamSequence: 3, pending: 0 }, 0);
  t.is(lane.state, "idle");
});

test("a lane found empty after a wake is looked at three more times, then the wake is taken for another worker's", (t) => {
  const lane = laneOf("a");
  lane.wake(5);
  let nowMs = 0;
  for (const restMs of [2, 4, 8]) {
    lane.pull(1, 1, nowMs);
    lane.empty(nowMs);
    t.deepEqual([lane.state, lane.restsUntilMs, lane.isPulledSoon], ["resting", nowMs + restMs, true]);
    lane.look(nowMs + restMs - 1);
    t.is(lane.state, "resting");
    nowMs += restMs;
    lane.look(nowMs);
    t.is(lane.state, "ready");
  }
  lane.pull(1, 1, nowMs);
  lane.empty(nowMs);
  t.deepEqual([lane.state, lane.isOvertaken, lane.isPulledSoon], ["idle", false, false]);
});

test("a standing pull ends with its message, or with one more look if a wake has told of one meanwhile", (t) => {
  const lane = laneOf("a");
  lane.stand(1, 0);
  lane.deliver(delivery, 0);
  t.is(lane.state, "idle");
  lane.stand(1, 0);
  lane.empty(500);
  t.is(lane.state, "idle");
  lane.stand(1, 600);
  lane.wake(9);
  t.is(lane.state, "standing");
  lane.empty(1_100);
  t.deepEqual([lane.state, lane.known], ["ready", 1]);
});

test("a lane without a consumer is not pulled before that is made, and rests where it could not be", (t) => {
  const lane = laneOf("a");
  lane.find();
  lane.pull(3, 1, 0);
  lane.lose();
  t.deepEqual([lane.state, lane.asked, lane.isPulledSoon], ["creating", 0, true]);
  lane.wake(1);
  lane.giveUp();
  t.is(lane.state, "creating");
  lane.refuseCreation(100);
  t.deepEqual([lane.state, lane.restsUntilMs], ["resting", 1_100]);
  lane.look(1_100);
  lane.pull(3, 1, 1_100);
  lane.lose();
  lane.create();
  t.is(lane.state, "ready");
});

test("what a pull did not bring counts for nothing, and an answer that comes after it was given up is not its own", (t) => {
  const lane = laneOf("a");
  const granted = lane.granted;
  lane.find();
  lane.pull(4, 2, 0);
  t.is(lane.granted, granted + 2);
  const { pullNumber } = lane;
  lane.deliver({ ...delivery, pending: 3 }, 0);
  lane.giveUp();
  t.is(lane.granted, granted + 0.5);
  t.not(lane.pullNumber, pullNumber);
  t.is(lane.state, "ready");
  lane.deliver({ ...delivery, streamSequence: 2, pending: 2 }, 0);
  t.is(lane.granted, granted + 1);
});

test("a stream that counts from the start again does not hide its messages", (t) => {
  const lane = laneOf("a");
  lane.wake(1_000);
  lane.pull(1, 1, 0);
  lane.deliver({ ...delivery, streamSequence: 1_000 }, 0);
  lane.find();
  lane.pull(1, 1, 0);
  lane.deliver(delivery, 0);
  lane.wake(2);
  t.is(lane.state, "ready");
});

test("a consumer whose own count falls was made anew, and nobody knows when", (t) => {
  const lane = laneOf("a");
  lane.noteConsumer(5_000, 0);
  lane.noteCount(3);
  t.is(lane.madeAtMs, 5_000);
  lane.noteCount(2);
  t.is(lane.madeAtMs, Number.POSITIVE_INFINITY);
});
