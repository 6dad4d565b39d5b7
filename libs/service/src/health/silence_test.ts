import test from "ava";
import { BEAT_MS, watchSilence } from "./silence.ts";

test("silence is the time since the last beat", (t) => {
  let beats = 0;
  const look = watchSilence(() => beats);
  for (let n = 0; n < 8; n++) look(n * BEAT_MS);
  t.is(look(8 * BEAT_MS), 8 * BEAT_MS);
  beats++;
  t.is(look(9 * BEAT_MS), 0);
});

test("time in which the watcher itself stood still does not count", (t) => {
  const look = watchSilence(() => 0);
  look(0);
  t.true(look(3_600_000) <= 2 * BEAT_MS, "the process was stopped for an hour");
});
