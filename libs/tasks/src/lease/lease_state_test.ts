import test from "ava";
import { momentNow, sharedNowMs } from "./clocks.ts";
import { LeaseState } from "./lease_state.ts";

const ttlMs = 15_000;

test("the deadline is a second before the TTL's end, counted from before the request was sent", (t) => {
  const state = new LeaseState(ttlMs);
  const now = momentNow();
  state.noteWrite(1, { monotonicMs: now.monotonicMs - 13_900, wallMs: now.wallMs - 13_900 });
  t.false(state.isPastDeadline);
  state.noteWrite(2, { monotonicMs: now.monotonicMs - 14_001, wallMs: now.wallMs - 14_001 });
  t.true(state.isPastDeadline);
});

test("the deadline counts on whichever clock moved more", (t) => {
  const state = new LeaseState(ttlMs);
  const now = momentNow();
  state.noteWrite(1, { ...now, wallMs: now.wallMs - 14_001 });
  t.true(state.isPastDeadline, "a paused machine's monotonic clock stood still");
  t.false(state.isSurelyPastDeadline);
  state.noteWrite(2, { monotonicMs: now.monotonicMs - 14_001, wallMs: now.wallMs + 600_000 });
  t.true(state.isPastDeadline, "the wall clock was set back ten minutes");
});

test("a lease ends once, whoever is first to say so, and every thread sees it", (t) => {
  const here = new LeaseState(ttlMs);
  const there = new LeaseState(ttlMs, here.shared);
  here.noteWrite(1.8e15 + 1, { monotonicMs: sharedNowMs(), wallMs: Date.now() });
  t.is(there.revision, 1.8e15 + 1);
  t.true(there.end("lost"));
  t.false(here.isHeld);
  t.false(here.end("letGo"));
});
