import test from "ava";
import { parseLength, shortly } from "./time.ts";

test("a length of time is shown in its largest whole unit", (t) => {
  t.deepEqual([0, 999, 1_000, 119_000, 7_200_000, 5 * 86_400_000].map(shortly), ["now", "now", "1s", "1m", "2h", "5d"]);
});

test("a length of time is a whole number and its unit, and anything else is none", (t) => {
  t.deepEqual(["90s", "10m", "2h", "60d"].map(parseLength), [90_000, 600_000, 7_200_000, 5_184_000_000]);
  for (const text of ["", "5", "m", "-1s", "1.5h", "5 m", "5w"]) t.is(parseLength(text), undefined, text);
});
