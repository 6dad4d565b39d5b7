import test from "ava";
import { NumberedItems } from "./numbered_items.ts";

test("an item is found once under its number, and never under that of one whose place it has taken", (t) => {
  const items = new NumberedItems<string>();
  const first = items.put("first");
  t.is(items.take(first), "first");
  t.is(items.take(first), undefined);
  const second = items.put("second");
  t.not(second, first);
  t.is(items.take(first), undefined, "a late answer to the first");
  t.is(items.take(second), "second");
  t.is(items.take(Number.NaN), undefined);
  t.is(items.size, 0);
});

test("thousands that come and go take up the room of those that are here at a time", (t) => {
  const items = new NumberedItems<number>();
  const numbers = Array.from({ length: 100 }, (_, item) => items.put(item));
  for (let item = 100; item < 10_000; item++) {
    t.is(items.take(numbers.shift() ?? -1), item - 100);
    numbers.push(items.put(item));
  }
  t.is(items.size, 100);
  t.true(Math.max(...numbers.map((number) => number % 2 ** 20)) < 101);
  for (const [number] of items.entries()) items.take(number);
  t.is(items.size, 0);
});
