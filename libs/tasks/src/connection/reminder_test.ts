import test from "ava";
import { createReminder } from "./reminder.ts";

test("the same thing is told at once, and again only after its time", (t) => {
  let now = 0;
  const reminder = createReminder({ everyMs: 1_000, nowMs: () => now });
  t.true(reminder.isTime("disk"));
  t.true(reminder.isTime("clock"));
  now = 999;
  t.false(reminder.isTime("disk"));
  now = 1_000;
  t.true(reminder.isTime("disk"));
  now = 1_999;
  t.false(reminder.isTime("disk"));
});

test("what is forgotten is told at once: the thing that was told first, where too many are remembered", (t) => {
  let now = 0;
  const reminder = createReminder({ everyMs: 1_000, most: 2, nowMs: () => now });
  t.true(reminder.isTime("first"));
  t.true(reminder.isTime("second"));
  now = 1_000;
  t.true(reminder.isTime("first"));
  t.true(reminder.isTime("third")); // `second` was told longest ago
  t.false(reminder.isTime("first"));
  t.true(reminder.isTime("second"));
  reminder.forget("second");
  t.true(reminder.isTime("second"));
});
