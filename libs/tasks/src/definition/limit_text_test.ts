import test from "ava";
import { checkConcurrency, InvalidLimitError, parseRate, printRate } from "./limit_text.ts";

test("a rate is a count and a time, and prints as it is read", (t) => {
  t.deepEqual(parseRate("100/1m"), { count: 100, perMs: 60_000 });
  t.deepEqual(parseRate("5/h"), { count: 5, perMs: 3_600_000 });
  t.is(parseRate("unlimited"), undefined);
  for (const text of ["100/1m", "5/10s", "1/1d", "7/250ms"]) {
    const rate = parseRate(text);
    t.is(rate === undefined ? "" : printRate(rate), text);
  }
});

test("what is no rate is refused, with the value and the form that is right", (t) => {
  for (const text of ["", "100", "0/1s", "5/50ms", "1/2d", "1.5/1s", "-1/1s", "5/1 s", "5/s1", "9999999/1s"]) {
    const { message } = t.throws(() => parseRate(text), { instanceOf: InvalidLimitError }, text) ?? {};
    t.true(message?.includes(JSON.stringify(text)));
  }
  t.regex(t.throws(() => parseRate("100 per minute"))?.message ?? "", /<count>\/<time>, e\.g\. "100\/1m"/);
});

test("a concurrency limit is a whole number from 1 to 1,000", (t) => {
  t.is(checkConcurrency(1_000), 1_000);
  for (const count of [0, -1, 1.5, 1_001, Number.NaN])
    t.throws(() => checkConcurrency(count), { instanceOf: InvalidLimitError });
});
