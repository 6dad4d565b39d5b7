import test from "ava";
import { WakeMembership } from "./wake_membership.ts";

/** A membership without room whose tasks take `turnMs`, with a clock that the test sets. */
function fullWorker(turnMs: number) {
  let nowMs = 0;
  let joined = false;
  let looked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const group = {
    get joined() {
      return joined;
    },
    join() {
      joined = true;
    },
    leave() {
      joined = false;
    },
  };
  const membership = new WakeMembership(group, {
    turnMs() {
      looked.resolve();
      return turnMs;
    },
    onLeft: () => left.resolve(),
    now: () => nowMs,
  });
  membership.noteMove();
  membership.noteRoom(0);
  return {
    group,
    membership,
    left: left.promise,
    /** Lets it look at what time it is, twice. */
    async lookAt(ms: number): Promise<void> {
      nowMs = ms;
      for (let look = 0; look < 2; look++) {
        looked = Promise.withResolvers();
        await Promise.race([looked.promise, left.promise]);
      }
    },
    setTo(ms: number) {
      nowMs = ms;
    },
  };
}

test("a full worker whose tasks are short goes on hearing of new ones until the next of its tasks must have ended", async (t) => {
  const { group, membership, left, lookAt, setTo } = fullWorker(10);
  await lookAt(19);
  t.true(group.joined, "tasks that began together take 10 ms, and end together");
  membership.noteMove();
  await lookAt(38);
  t.true(group.joined);
  setTo(39);
  await left;
  t.false(group.joined, "twice as long as a task takes, nothing has ended");
  t.is(membership.noteRoom(1), "came back");
});

test("a full worker whose tasks are long lets others hear of new ones after five milliseconds", async (t) => {
  for (const turnMs of [26, Number.POSITIVE_INFINITY]) {
    const { group, left, lookAt, setTo } = fullWorker(turnMs);
    await lookAt(4);
    t.true(group.joined);
    setTo(5);
    await left;
    t.false(group.joined);
  }
});
