import test from "ava";
import { Slots } from "./slots.ts";

test("an item is found once under its number, and never under that of one whose place it has taken", (t) => {
  const slots = new Slots<string>();
  const first = slots.put("first");
  t.is(slots.take(first), "first");
  t.is(slots.take(first), undefined);
  const second = slots.put("second");
  t.not(second, first);
  t.is(slots.take(first), undefined, "a late answer to the first");
  t.is(slots.take(second), "second");
  t.is(slots.take(Number.NaN), undefined);
  t.is(slots.size, 0);
});

test("thousands that come and go take up the room of those that are here at a time", (t) => {
  const slots = new Slots<number>();
  const numbers = Array.from({ length: 100 }, (_, item) => slots.put(item));
  for (let item = 100; item < 10_000; item++) {
    t.is(slots.take(numbers.shift() ?? -1), item - 100);
    numbers.push(slots.put(item));
  }
  t.is(slots.size, 100);
  t.true(Math.max(...numbers.map((number) => number % 2 ** 20)) < 101);
  for (const [number] of slots.entries()) slots.take(number);
  t.is(slots.size, 0);
});
