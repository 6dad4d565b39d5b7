import test from "ava";
import { openPolicy, show } from "./_policy_test.ts";

test("a higher priority is pulled and started first, and a lower one in what room is left", (t) => {
  const { lane, pulls, bring, starts } = openPolicy(4);
  const low = lane("low", "background", 10);
  const high = lane("high", "realtime", 3);
  t.is(show(pulls()), "high: 3, low: 1");
  bring(low, 9);
  for (const pending of [2, 1, 0]) bring(high, pending);
  t.deepEqual(
    starts().map(({ lane: { vo } }) => vo),
    ["high", "high", "high", "low"],
  );
});

test("nothing lower is pulled while more of a higher priority waits than was asked for", (t) => {
  const { lane, pulls, bring, permits, policy } = openPolicy(4);
  lane("low", "background", 10);
  const high = lane("high", "realtime", 8);
  t.is(show(pulls()), "high: 4");
  permits.take(); // as if one of them had started
  bring(high, 7);
  t.is(show(pulls()), "");
  for (const pending of [6, 5, 4]) bring(high, pending);
  policy.withdraw();
  t.is(show(pulls()), "");
});

test("each task of a higher priority that was asked for has a permit kept for it, until its pull comes short", (t) => {
  const { policy, lane, pulls, bring, starts } = openPolicy(3);
  const high = lane("high", "realtime", 0);
  const low = lane("low", "normal", 3);
  t.is(show(pulls()), "low: 3");
  for (const pending of [2, 1, 0]) bring(low, pending);
  // There is no room for the urgent task. It is only pulled if something is given up for it.
  policy.withdraw();
  high.wake(100);
  t.is(show(pulls()), "high: 1");
  t.is(starts().length, 2);
  bring(low, 0);
  t.is(starts().length, 0);
  policy.lanes.emptied(high, 0);
  t.is(starts().length, 0, "its message is announced, and not there yet");
  for (const nowMs of [2, 6, 14]) {
    pulls(nowMs);
    policy.lanes.emptied(high, nowMs);
  }
  t.is(starts().length, 1);
});

test("a lane whose consumer is being made has its permits kept, and one whose pull was refused has not", (t) => {
  const { policy, lane, pulls, bring, starts } = openPolicy(2);
  const low = lane("low", "normal", 2);
  pulls();
  bring(low, 1);
  const high = lane("high", "realtime", 0);
  high.find();
  policy.lanes.giveUp(low);
  t.is(show(pulls()), "high: 1");
  policy.lanes.lost(high);
  t.is(starts().length, 0);
  t.is(show(pulls()), "");
  high.refuseCreation(0);
  t.is(starts().length, 1);
});

test("many VOs get small turns, one VO gets a large one, and a turn is larger by the VO's weight", (t) => {
  const alone = openPolicy(12);
  alone.lane("a", "normal", 100);
  t.is(show(alone.pulls()), "a: 12");
  const many = openPolicy(12);
  for (const vo of ["a", "b", "c"]) many.lane(vo, "normal", 100);
  t.is(show(many.pulls()), "a: 4, b: 4, c: 4");
  const weighed = openPolicy(12, { heavy: 2 });
  for (const vo of ["heavy", "a", "b"]) weighed.lane(vo, "normal", 100);
  t.is(show(weighed.pulls()), "heavy: 8, a: 4");
});

test("permits that are lost are not pulled for, and a closed worker pulls and starts nothing", (t) => {
  const { policy, permits, worker, lane, pulls, bring, starts } = openPolicy(3);
  const only = lane("a", "normal", 100);
  permits.lose();
  t.is(show(pulls()), "a: 2");
  bring(only, 99);
  bring(only, 98);
  worker.isClosed = true;
  t.is(policy.room(0), 0);
  t.deepEqual([show(pulls()), starts().length], ["", 0]);
  t.not(policy.withdraw(), undefined);
  worker.isClosed = false;
  t.is(starts().length, 1);
});

test("what is consumed in 10 ms is pulled ahead, and no pull is made for a task or two while enough of that is ready", (t) => {
  const { policy, permits, lane, pulls, bring, starts } = openPolicy(10);
  const only = lane("a", "normal", 1);
  policy.rate.perMs(0);
  for (let ended = 0; ended < 400; ended++) policy.rate.count();
  only.wake(undefined);
  t.is(show(pulls(100)), "a: 50");
  for (let each = 0; each < 50; each++) bring(only, 1_000, 100);
  t.is(starts().length, 10);
  permits.giveBack();
  t.is(show(pulls(110)), "", "room for one, and 40 ready");
  for (let each = 0; each < 20; each++) policy.withdraw();
  t.is(show(pulls(110)), "a: 21");
});

test("a worker that is full of less urgent tasks has a place for a more urgent one, so that it is in hand when a permit comes free", (t) => {
  const { policy, permits, lane, pulls, bring, starts } = openPolicy(10);
  const low = lane("low", "background", 1_000);
  const high = lane("high", "realtime", 0);
  policy.rate.perMs(0);
  for (let ended = 0; ended < 100; ended++) policy.rate.count();
  t.is(policy.turnMs(100), 10);
  t.is(show(pulls(100)), "low: 19", "one of what is consumed in 10 ms is kept");
  for (let each = 0; each < 19; each++) bring(low, 981, 100);
  t.is(starts().length, 10);
  t.is(show(pulls(100)), "");
  high.wake(5_000);
  t.is(show(pulls(101)), "high: 1");
  bring(high, 0, 102);
  permits.giveBack();
  t.deepEqual(
    starts().map(({ lane: { vo } }) => vo),
    ["high"],
  );
});

test("where deliveries are replicated six times as much is pulled ahead in larger pulls, and no other VO waits longer for its pull", (t) => {
  const { policy, permits, worker, lane, pulls, bring, starts } = openPolicy(10);
  worker.isReplicated = true;
  const heavy = lane("heavy", "normal", 1);
  policy.rate.perMs(0);
  for (let ended = 0; ended < 400; ended++) policy.rate.count();
  heavy.wake(undefined);
  t.is(show(pulls(100)), "heavy: 250");
  for (let each = 0; each < 250; each++) bring(heavy, 1_000, 100);
  t.is(starts().length, 10);
  const end = (count: number) => {
    for (let each = 0; each < count; each++) policy.withdraw();
  };
  end(100);
  t.is(show(pulls(110)), "", "room for 100, and 140 ready");
  end(21);
  t.is(show(pulls(110)), "heavy: 121");
  for (let each = 0; each < 121; each++) bring(heavy, 1_000, 110);
  permits.giveBack();
  end(20);
  const light = lane("light", "normal", 0);
  light.wake(100_000);
  t.regex(show(pulls(112)), /light: 1/);
});

test("no more than 500 tasks are pulled ahead because deliveries are replicated", (t) => {
  const { policy, worker, lane, pulls } = openPolicy(10);
  worker.isReplicated = true;
  const only = lane("a", "normal", 1);
  policy.rate.perMs(0);
  for (let ended = 0; ended < 2_000; ended++) policy.rate.count();
  only.wake(undefined);
  t.is(show(pulls(100)), "a: 510");
});

test("an idle worker stands at the lane that served it twice, and nowhere while it has anything in hand", (t) => {
  const { policy, permits, worker, lane, pulls, bring, starts } = openPolicy(2);
  const hot = lane("hot", "normal", 0);
  const other = lane("other", "normal", 0);
  for (let round = 0; round < 2; round++) {
    t.is(show(pulls()), "");
    hot.wake(1_000 + round);
    t.is(show(pulls()), "hot: 1");
    policy.lanes.delivered(hot, { count: 1, streamSequence: 1_000 + round, pending: 0 }, 0);
  }
  worker.waiting = 1;
  t.is(show(pulls()), "");
  worker.waiting = 0;
  t.is(show(pulls(4_999)), "hot: stands");
  t.is(show(pulls(4_999)), "");
  other.wake(2_000);
  t.is(show(pulls(4_999)), "other: 1", "it stands, and does other work");
  bring(other, 0, 4_999);
  starts();
  t.true(policy.hasRoom(4_999));
  permits.take();
  t.false(policy.hasRoom(4_999), "what the standing pull brings now is handed back");
});

test("a lane cools five seconds after its last message, and at a refusal", (t) => {
  const { policy, lane, pulls } = openPolicy(2);
  const hot = lane("hot", "normal", 0);
  for (const sequence of [1_001, 1_002]) {
    policy.lanes.delivered(hot, { count: 1, streamSequence: sequence, pending: 0 }, 0);
  }
  t.is(show(pulls(5_000)), "");
  t.is(show(pulls(100)), "hot: stands");
  policy.lanes.refused(hot, 100);
  t.is(show(pulls(400)), "hot: 2", "what waits there is not known");
  policy.lanes.emptied(hot, 400);
  t.is(show(pulls(400)), "");
});

test("a pull that the worker may not make keeps no permit from other lanes, and is tried again after a rest", (t) => {
  const { policy, lane, pulls } = openPolicy(2);
  const forbidden = lane("forbidden", "realtime", 5);
  t.is(show(pulls()), "forbidden: 2");
  const allowed = lane("allowed", "normal", 1);
  t.is(show(pulls()), "", "all permits are asked for");
  policy.lanes.forbidden(forbidden, 0, "no right");
  t.is(forbidden.refusal, "no right");
  t.is(show(pulls()), "allowed: 1");
  policy.lanes.emptied(allowed, 100);
  t.is(show(pulls(4_999)), "allowed: stands", "the worker is idle for all that it knows");
  t.is(show(pulls(5_000)), "forbidden: 2");
  policy.lanes.emptied(forbidden, 5_001);
  t.is(forbidden.refusal, undefined, "the right was given");
});

test("an idle worker that finds nothing of what it was woken for stands there, and a busy one looks again in two milliseconds", (t) => {
  const { policy, permits, lane, pulls } = openPolicy(2);
  const woken = lane("woken", "normal", 1);
  pulls();
  policy.lanes.emptied(woken, 0);
  t.is(show(pulls()), "woken: stands");
  policy.lanes.emptied(woken, 500);
  t.is(show(pulls(500)), "woken: stands", "what it was woken for may come yet");
  policy.lanes.emptied(woken, 1_000);
  t.is(show(pulls(1_000)), "");

  permits.take();
  woken.wake(1_000);
  pulls(1_100);
  policy.lanes.emptied(woken, 1_100);
  t.is(show(pulls(1_100)), "");
  t.is(policy.lookAgainAtMs, 1_102);
  t.is(show(pulls(1_102)), "woken: 1");
});

test("nothing is pulled before it is known what was missed", (t) => {
  const { policy, lane, pulls } = openPolicy(2);
  lane("a", "normal", 1);
  policy.lookFirst();
  t.is(show(pulls()), "");
  policy.looked();
  t.is(show(pulls()), "a: 1");
});

test("a pull that is not answered is given up after three seconds, and a new connection asks everything anew", (t) => {
  const { policy, lane, pulls } = openPolicy(4);
  const a = lane("a", "normal", 1);
  pulls();
  policy.lanes.dropLostPulls(3_000);
  t.is(policy.lanes.asked(), 1);
  policy.lanes.dropLostPulls(3_001);
  t.is(policy.lanes.asked(), 0);
  t.is(show(pulls(3_001)), "a: 4");
  policy.lanes.reconnected();
  t.is(policy.lanes.asked(), 0);
  t.is(a.seenAtMs, undefined);
  t.is(show(pulls(3_002)), "a: 4");
});

test("a lane whose VO is gone is pulled no more, and what it had asked for is free", (t) => {
  const { policy, lane, pulls } = openPolicy(4);
  const gone = lane("gone", "normal", 9);
  lane("here", "normal", 9);
  t.is(show(pulls()), "gone: 2, here: 2");
  policy.lanes.remove(gone);
  t.is(policy.lanes.asked(), 2);
  t.is(show(pulls(100)), "");
});
