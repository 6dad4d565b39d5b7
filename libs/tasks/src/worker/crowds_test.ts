import test from "ava";
import { Crowds } from "./crowds.ts";

/** How many of these delays end in each second from now, ms. */
function bySecond(delays: readonly number[]): number[] {
  const counts = Map.groupBy(delays, (ms) => Math.floor(ms / 1_000));
  return [...counts.values()].map((each) => each.length);
}

test("a crowd comes back at a pace, whatever its length, and none at once", (t) => {
  const crowds = new Crowds();
  const delays = Array.from({ length: 10_000 }, () => crowds.delayMs("ce01", 0));
  t.true(Math.min(...delays) >= 400);
  t.true(Math.max(...delays) > 38_000 && Math.max(...delays) < 43_000);
  t.true(Math.max(...bySecond(delays)) <= 300);
});

test("a crowd comes back faster than its lock is handed on", (t) => {
  const crowds = new Crowds();
  const delays = Array.from({ length: 10_000 }, () => crowds.delayMs("ce01", 1));
  t.true(Math.max(...delays) < 7_000);
});

test("crowds share the pace, and a small one does not wait for a large one", (t) => {
  const crowds = new Crowds();
  const large = Array.from({ length: 5_000 }, () => crowds.delayMs("ce01", 0));
  const small = Array.from({ length: 100 }, () => crowds.delayMs("ce02", 0));
  t.true(Math.max(...large) > 18_000);
  t.true(Math.max(...small) < 3_000);
});
