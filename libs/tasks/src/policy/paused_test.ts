import test from "ava";
import type { Priority } from "../definition/traits.ts";
import { Buffer } from "./buffer.ts";
import { openPolicy, show } from "./_policy_test.ts";

test("a paused lane is not pulled and holds no lower priority back", (t) => {
  const { policy, lane, pulls, bring, starts } = openPolicy(4);
  const high = lane("high", "realtime", 8);
  const low = lane("low", "background", 10);
  policy.lanes.setPaused(high, true);
  t.is(show(pulls()), "low: 4");
  for (const pending of [9, 8, 7, 6]) bring(low, pending);
  t.is(starts().length, 4, "no permit is kept for a paused lane");
  high.wake(99);
  t.is(show(pulls()), "");
});

test("a lane does not make up for the time of its pause", (t) => {
  const { policy, lane, pulls, bring } = openPolicy(4);
  const paused = lane("paused", "normal", 100);
  lane("other", "normal", 100);
  /** Pulls, and ends all that comes, some rounds long. Returns how many tasks came of each lane. */
  function work(rounds: number): Record<string, number> {
    const came: Record<string, number> = { paused: 0, other: 0 };
    for (let round = 0; round < rounds; round++) {
      for (const { lane: of, count } of pulls()) {
        came[of.vo] = (came[of.vo] ?? 0) + count;
        for (let each = 0; each < count; each++) bring(of, 90);
      }
      while (policy.withdraw() !== undefined);
    }
    return came;
  }
  policy.lanes.setPaused(paused, true);
  t.deepEqual(work(10), { paused: 0, other: 40 });
  policy.lanes.setPaused(paused, false);
  const { paused: ofPaused = 0, other: ofOther = 0 } = work(10);
  t.true(Math.abs(ofPaused - ofOther) <= 4, `${ofPaused} of the one, ${ofOther} of the other`);
});

test("a lane that is paused while its pull is open keeps no permits, and its messages still count", (t) => {
  const { policy, lane, pulls, bring } = openPolicy(4);
  const high = lane("high", "realtime", 8);
  t.is(show(pulls()), "high: 4");
  t.is(policy.lanes.awaitedAbove("normal"), Number.POSITIVE_INFINITY);
  policy.lanes.setPaused(high, true);
  t.is(policy.lanes.awaitedAbove("normal"), 4);
  for (const pending of [7, 6, 5, 4]) bring(high, pending);
  t.is(policy.lanes.asked(), 0);
  t.is(show(pulls()), "");
});

test("an idle worker keeps no pull open at a paused lane", (t) => {
  const { policy, lane, pulls } = openPolicy(4);
  const hot = lane("hot", "normal", 0);
  for (const streamSequence of [1, 2, 3]) policy.lanes.delivered(hot, { count: 1, streamSequence, pending: 0 }, 0);
  policy.lanes.setPaused(hot, true);
  t.is(show(pulls()), "");
  policy.lanes.setPaused(hot, false);
  t.is(show(pulls()), "hot: 4", "nobody knows what waits there");
  policy.lanes.emptied(hot, 0);
  t.is(show(pulls()), "hot: stands");
});

test("a lane of which the configuration has another priority is pulled by that one, and its open pull counts there", (t) => {
  const { policy, lane, pulls } = openPolicy(4);
  const first = lane("first", "background", 8);
  const second = lane("second", "background", 8);
  t.is(show(pulls()), "first: 2, second: 2");
  policy.lanes.redefine(second, { ...second.definition, priority: "realtime" });
  t.is(policy.lanes.awaitedAbove("normal"), Number.POSITIVE_INFINITY);
  t.is(policy.lanes.asked(), 4);
  policy.lanes.giveUp(first);
  policy.lanes.giveUp(second);
  t.is(policy.lanes.asked(), 0);
  t.is(show(pulls()), "second: 4");
  policy.lanes.redefine(second, { ...second.definition, priority: "background" });
  policy.lanes.giveUp(second);
  t.is(show(pulls()), "first: 2, second: 2");
});

test("what is sifted out of the buffer leaves it, and the rest has the priority that it has now, in its order", (t) => {
  const buffer = new Buffer<{
    label: string;
    received: { definition: { priority: Priority }; subject: string; vo: string };
  }>(() => 1);
  const task = (label: string, vo: string) => ({
    label,
    received: { definition: { priority: "normal" as Priority }, subject: `tasks.T.${vo}`, vo },
  });
  const [one, two, three, four] = [task("one", "a"), task("two", "b"), task("three", "a"), task("four", "c")];
  for (const each of [one, two, three]) buffer.add(each);
  buffer.resume(four);
  three.received.definition = { priority: "realtime" };
  t.deepEqual(
    buffer.sift(({ received }) => received.vo === "b").map(({ label }) => label),
    ["two"],
  );
  t.is(buffer.size, 3);
  t.true(buffer.holds("realtime"));
  t.deepEqual(
    [1, 2, 3].map(() => buffer.next(() => true)?.label),
    ["three", "four", "one"],
  );
});
