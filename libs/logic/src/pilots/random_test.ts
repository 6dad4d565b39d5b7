import test from "ava";
import { seededRandom } from "./random.ts";

test("the same seed gives the same numbers, another seed others", (t) => {
  const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  t.deepEqual(draw(7), draw(7));
  t.notDeepEqual(draw(7), draw(8));
});

test("the numbers lie evenly between 0 and 1", (t) => {
  const numbers = Array.from({ length: 10_000 }, seededRandom(1));
  t.true(numbers.every((number) => number >= 0 && number < 1));
  for (const tenth of Array.from({ length: 10 }, (_, index) => index)) {
    const inside = numbers.filter((number) => Math.floor(number * 10) === tenth).length;
    t.true(inside > 850 && inside < 1150, `${inside} in tenth ${tenth}`);
  }
});
