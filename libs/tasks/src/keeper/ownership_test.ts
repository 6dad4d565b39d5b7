import test from "ava";
import { sharedNowMs } from "../lease/clocks.ts";
import { Ownership } from "./ownership.ts";

const WINDOW_MS = 15_000;

/** Moments in seconds before now. */
function ago(seconds: number): number {
  return sharedNowMs() - seconds * 1_000;
}

function open({ beats }: { beats: readonly number[] }): Ownership {
  const ownership = new Ownership(WINDOW_MS);
  for (const seconds of beats) ownership.noteBeat(ago(seconds));
  return ownership;
}

const inHand = ({ pulled, held = pulled, until = -60 }: { pulled: number; held?: number; until?: number }) => ({
  pulledAtMs: ago(pulled),
  heldAtMs: ago(held),
  untilMs: ago(until),
});

test("a message is ours for the window after its pull, and after each heartbeat", (t) => {
  t.true(open({ beats: [20] }).owns(inHand({ pulled: 14 })));
  t.false(open({ beats: [20] }).owns(inHand({ pulled: 16 })));
  t.true(open({ beats: [40, 30, 20, 10] }).owns(inHand({ pulled: 40 })));
  t.false(open({ beats: [50, 40, 30, 16] }).owns(inHand({ pulled: 50 })));
});

test("heartbeats after too long a silence bring nothing back", (t) => {
  const ownership = open({ beats: [60, 30, 1] });
  t.false(ownership.owns(inHand({ pulled: 50 })));
  t.true(ownership.owns(inHand({ pulled: 0.5 })));
});

test("what was pulled shortly before the first heartbeat after a silence is ours, unless the broker was restarted since", (t) => {
  const ownership = open({ beats: [60, 1] });
  t.true(ownership.owns(inHand({ pulled: 2 })));
  t.false(ownership.owns(inHand({ pulled: 17 })));
  const restarted = open({ beats: [60] });
  restarted.lapse(ago(3));
  restarted.noteBeat(ago(1));
  t.true(restarted.owns(inHand({ pulled: 2 })));
  t.false(restarted.owns(inHand({ pulled: 4 })));
});

test("heartbeats end with the message's own time", (t) => {
  const beats = [40, 30, 20, 10];
  t.true(open({ beats }).owns(inHand({ pulled: 40, until: 14 })));
  t.false(open({ beats }).owns(inHand({ pulled: 40, until: 16 })));
});

test("a message that a busy thread read too late is not ours, however lately it was held", (t) => {
  t.false(open({ beats: [20, 10, 0.5] }).owns(inHand({ pulled: 18, held: 1 })));
});

test("after a restart of the broker only what was pulled since is ours", (t) => {
  const ownership = open({ beats: [10, 5] });
  ownership.lapse(ago(3));
  ownership.noteBeat(ago(1));
  t.false(ownership.owns(inHand({ pulled: 4 })));
  t.true(ownership.owns(inHand({ pulled: 2 })));
});

test("the end is final, and every thread sees it", (t) => {
  const here = open({ beats: [10, 1] });
  const there = new Ownership(WINDOW_MS, here.shared);
  t.true(there.owns(inHand({ pulled: 2 })));
  here.end();
  there.noteBeat(ago(0));
  t.false(there.owns(inHand({ pulled: 2 })));
});
