import test from "ava";
import { Lines } from "./lines.ts";

function all(lines: Lines<string>): string {
  let order = "";
  for (let item = lines.shift(); item !== undefined; item = lines.shift()) order += item;
  return order;
}

test("lines are served in turn, each in its own order, and one that was empty is last", (t) => {
  const lines = new Lines<string>(() => 1);
  for (const item of ["a", "b", "c", "d"]) lines.push("heavy", item);
  lines.push("light", "1");
  t.is(lines.size, 5);
  t.is(lines.shift(), "a");
  t.is(lines.shift(), "1");
  t.is(lines.shift(), "b");
  lines.push("light", "2");
  t.is(all(lines), "c2d");
  t.is(lines.size, 0);
});

test("thousands that come and go leave the order as it is", (t) => {
  const lines = new Lines<string>(() => 1);
  let out = 0;
  for (let number = 0; number < 5_000; number++) {
    lines.push("one", `${number}`);
    if (number % 3 > 0) t.is(lines.shift(), `${out++}`);
  }
  t.is(lines.size, 5_000 - out);
});
