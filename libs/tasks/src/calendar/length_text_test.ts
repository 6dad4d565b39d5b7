import test from "ava";
import { parseLengthMs, printLength } from "./length_text.ts";

test("a length of time is a whole number and its unit, is printed in its largest whole unit, and anything else is none", (t) => {
  const lengths = { "0s": 0, "250ms": 250, "90s": 90_000, "10m": 600_000, "2h": 7_200_000, "60d": 5_184_000_000 };
  for (const [text, ms] of Object.entries(lengths)) {
    t.is(parseLengthMs(text), ms);
    t.is(parseLengthMs(printLength(ms)), ms);
  }
  t.deepEqual([90_000, 600_000, 1_500].map(printLength), ["90s", "10m", "1500ms"]);
  for (const text of ["", "5", "m", "-1s", "1.5h", "5w", "PT5M", "1h30m", "5 fortnights"])
    t.is(parseLengthMs(text), undefined, text);
});
