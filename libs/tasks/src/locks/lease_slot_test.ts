import test from "ava";
import { momentNow, sharedNowMs } from "./clocks.ts";
import { LeaseSlot } from "./lease_slot.ts";

const ttlMs = 15_000;

test("the deadline is a second before the TTL's end, counted from before the request was sent", (t) => {
  const slot = new LeaseSlot(ttlMs);
  const now = momentNow();
  slot.noteWrite(1, { monotonicMs: now.monotonicMs - 13_900, wallMs: now.wallMs - 13_900 });
  t.false(slot.isPastDeadline);
  slot.noteWrite(2, { monotonicMs: now.monotonicMs - 14_001, wallMs: now.wallMs - 14_001 });
  t.true(slot.isPastDeadline);
});

test("the deadline counts on whichever clock moved more", (t) => {
  const slot = new LeaseSlot(ttlMs);
  const now = momentNow();
  slot.noteWrite(1, { ...now, wallMs: now.wallMs - 14_001 });
  t.true(slot.isPastDeadline, "a paused machine's monotonic clock stood still");
  t.false(slot.isSurelyPastDeadline);
  slot.noteWrite(2, { monotonicMs: now.monotonicMs - 14_001, wallMs: now.wallMs + 600_000 });
  t.true(slot.isPastDeadline, "the wall clock was set back ten minutes");
});

test("a lease ends once, whoever is first to say so, and every thread sees it", (t) => {
  const here = new LeaseSlot(ttlMs);
  const there = new LeaseSlot(ttlMs, here.shared);
  here.noteWrite(1.8e15 + 1, { monotonicMs: sharedNowMs(), wallMs: Date.now() });
  t.is(there.revision, 1.8e15 + 1);
  t.true(there.end("lost"));
  t.false(here.isHeld);
  t.false(here.end("letGo"));
});
