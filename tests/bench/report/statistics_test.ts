import test from "ava";
import { median, quantile } from "./statistics.ts";

test("the median of an even number of values lies between the middle two", (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([5, 1, 3]), 3);
  t.true(Number.isNaN(median([])));
});

test("the 99th of a hundred values is the largest but none", (t) => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  t.is(quantile(values, 0.99), 100);
  t.is(quantile(values, 0.5), 51);
  t.is(quantile([7], 0.99), 7);
});
