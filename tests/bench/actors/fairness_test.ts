import test from "ava";
import { fairnessOf, jain } from "./fairness.ts";

test("Jain's index is 1 for equal shares, and 1/n where one has it all", (t) => {
  t.is(jain([3, 3, 3]), 1);
  t.is(jain([9, 0, 0, 0]), 0.25);
});

test("a VO that has no turn among a thousand counts against the fairness of that thousand", (t) => {
  const order = [
    ...Array.from({ length: 1_000 }, () => "a"),
    ...Array.from({ length: 1_000 }, (_, at) => (at % 2 ? "a" : "b")),
  ];
  t.deepEqual(fairnessOf(order), [0.5, 1]);
});
