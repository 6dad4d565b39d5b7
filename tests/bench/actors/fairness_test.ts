import test from "ava";
import { fairnessOf, jain } from "./fairness.ts";

test("Jain's index is 1 for equal shares, and 1/n where one has it all", (t) => {
  t.is(jain([3, 3, 3]), 1);
  t.is(jain([9, 0, 0, 0]), 0.25);
});

test("a VO that has no turn among a thousand counts against the fairness of that thousand", (t) => {
  const order = [
    ...Array.from({ length: 1_000 }, () => "a"),
    ...Array.from({ length: 2_000 }, (_, at) => (at % 2 ? "a" : "b")),
  ];
  t.deepEqual(fairnessOf(order).slice(0, 2), [0.5, 1]);
});

test("a thousand at whose end a VO has nothing left is none, nor is any after it", (t) => {
  const both = Array.from({ length: 2_000 }, (_, at) => (at % 2 ? "a" : "b"));
  t.deepEqual(fairnessOf([...both, ...Array.from({ length: 3_000 }, () => "a")]), [1]);
});
